// A service on the AWS CDK: Penstock's part is a template that is included, and a producer is a function beside it.
//
//   penstock infra export --artifacts ../../build/dev --json > penstock.json
//   npm ci && npx aws-cdk deploy --app "node app.js"
import { App, Duration, Fn, Stack } from "aws-cdk-lib";
import * as apigateway from "aws-cdk-lib/aws-apigatewayv2";
import * as iam from "aws-cdk-lib/aws-iam";
import * as lambda from "aws-cdk-lib/aws-lambda";
import { Asset } from "aws-cdk-lib/aws-s3-assets";
import { CfnInclude } from "aws-cdk-lib/cloudformation-include";

const [service, stage, issuer] = ["shop", "dev", "https://issuer.example.org"];

const app = new App();
// The `penstock` command finds the service by the outputs of the stack SERVICE-STAGE.
const stack = new Stack(app, "Shop", { stackName: `${service}-${stage}` });
const penstock = new CfnInclude(stack, "Penstock", {
  templateFile: "penstock.json",
  parameters: { Service: service, Stage: stage, Issuer: issuer },
});

// The included template names the artifacts by their path. The CDK uploads them as assets.
const assets = new Map();
for (const resource of stack.node.findAll()) {
  if (resource instanceof lambda.CfnFunction) {
    const path = resource.code;
    if (!assets.has(path)) {
      assets.set(path, new Asset(stack, `Artifact${assets.size}`, { path }));
    }
    resource.code = { s3Bucket: assets.get(path).s3BucketName, s3Key: assets.get(path).s3ObjectKey };
  }
}

const get = (name) => penstock.getResource(name);
const orders = new lambda.Function(stack, "Orders", {
  // The role of the producers may write to log groups with this prefix.
  functionName: `${service}-${stage}-orders`,
  code: lambda.Code.fromAsset("../../build/dev/producer.zip"),
  handler: "producer/orders.handler",
  runtime: new lambda.Runtime("python3.14", lambda.RuntimeFamily.PYTHON),
  architecture: lambda.Architecture.ARM_64,
  memorySize: 512,
  timeout: Duration.seconds(10),
  role: iam.Role.fromRoleArn(stack, "Producer", get("ProducerRole").attrArn, { mutable: false }),
  environment: {
    PENSTOCK_QUEUE_URL: get("Queue").ref,
    PENSTOCK_RECEIPT_KEY: get("ReceiptKey").attrId,
    PENSTOCK_PAYLOAD_BUCKET: get("PayloadBucket").ref,
    PENSTOCK_SOURCE: `/${service}`,
    PENSTOCK_TENANT_CLAIM: "sub",
    PENSTOCK_METRICS: "true",
    POWERTOOLS_SERVICE_NAME: service,
  },
});

// The route of the producer is one of the API that has the routes of outcomes.
const api = get("HttpApi").ref;
const integration = new apigateway.CfnIntegration(stack, "OrdersIntegration", {
  apiId: api,
  integrationType: "AWS_PROXY",
  integrationUri: orders.functionArn,
  payloadFormatVersion: "2.0",
});
new apigateway.CfnRoute(stack, "OrdersRoute", {
  apiId: api,
  routeKey: "POST /orders",
  target: Fn.join("/", ["integrations", integration.ref]),
  authorizationType: "JWT",
  authorizerId: get("HttpApiAuthorizerCallers").ref,
});
orders.addPermission("FromTheApi", {
  principal: new iam.ServicePrincipal("apigateway.amazonaws.com"),
  sourceArn: stack.formatArn({ service: "execute-api", resource: api, resourceName: "*" }),
});

app.synth();
