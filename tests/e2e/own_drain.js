// A service of one's own on the AWS CDK, without any part of Penstock: a drain behind an alias, and a producer.
import { App, Duration, Stack } from "aws-cdk-lib";
import * as cloudwatch from "aws-cdk-lib/aws-cloudwatch";
import * as lambda from "aws-cdk-lib/aws-lambda";
import { SqsEventSource } from "aws-cdk-lib/aws-lambda-event-sources";
import { Secret } from "aws-cdk-lib/aws-secretsmanager";
import * as sqs from "aws-cdk-lib/aws-sqs";

const app = new App();
const stack = new Stack(app, "Own");
const retentionPeriod = Duration.days(14);
const dead = new sqs.Queue(stack, "Dead", { retentionPeriod, enforceSSL: true });
const queue = new sqs.Queue(stack, "Intents", {
  retentionPeriod,
  enforceSSL: true,
  visibilityTimeout: Duration.seconds(181),
  deadLetterQueue: { queue: dead, maxReceiveCount: 100 },
});
const secret = Secret.fromSecretNameV2(stack, "Database", "own/database-url");

const code = { runtime: lambda.Runtime.PYTHON_3_13, code: lambda.Code.fromInline("x"), handler: "index.handler" };
const drain = new lambda.Function(stack, "Writer", {
  ...code,
  timeout: Duration.seconds(30),
  reservedConcurrentExecutions: 4,
  environment: {
    PENSTOCK_QUEUE_URL: queue.queueUrl,
    PENSTOCK_DEAD_LETTER_QUEUE_URL: dead.queueUrl,
    PENSTOCK_DATABASE_URL: secret.secretArn,
  },
});
secret.grantRead(drain);
dead.grantSendMessages(drain);
const source = { batchSize: 500, maxBatchingWindow: Duration.seconds(1), reportBatchItemFailures: true };
drain.addAlias("live").addEventSource(new SqsEventSource(queue, { ...source, maxConcurrency: 4 }));

const environment = { PENSTOCK_QUEUE_URL: queue.queueUrl };
const producer = new lambda.Function(stack, "Api", { ...code, environment });
queue.grantSendMessages(producer);

const alarm = { threshold: 0, evaluationPeriods: 1 };
new cloudwatch.Alarm(stack, "DeadAlarm", { ...alarm, metric: dead.metricApproximateNumberOfMessagesVisible() });
new cloudwatch.Alarm(stack, "AgeAlarm", { ...alarm, metric: queue.metricApproximateAgeOfOldestMessage() });

app.synth();
