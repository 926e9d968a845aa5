"""A service with much of its own to which Penstock was added, for packaging alone."""

import shutil
from pathlib import Path

from penstock.infra.include_file import NAME, include_file
from tests.support.packaging import BUILD
from tests.support.project import ROOT

SERVERLESS = """
service: library
frameworkVersion: "^4.0.0"
custom:
  penstock:
    authorizer: own
    authorizerName: staff
    tenantClaim: org_id
    drain: {target: "app.writes:drain", concurrency: 8}
    budget: 17
    vpc: ${self:provider.vpc}
    database:
      url: postgresql://desk@db.example.org:5432/desk?credentials=iam&sslmode=verify-full&sslrootcert=app/ca.pem
      permission:
        Effect: Allow
        Action: rds-db:connect
        Resource: !Sub arn:${AWS::Partition}:rds-db:${AWS::Region}:${AWS::AccountId}:dbuser:cluster-1/desk
provider:
  name: aws
  runtime: python3.13
  region: eu-central-1
  tags: {team: desk}
  stackTags: {team: desk}
  vpc:
    securityGroupIds: [!Ref Guard, sg-1]
    subnetIds: !Split [",", !ImportValue subnets]
  httpApi:
    authorizers:
      staff:
        type: jwt
        identitySource: $request.header.Authorization
        issuerUrl: https://id.example.org
        audience: desk
package: {individually: true}
functions:
  - ${file(infra/penstock.yml):functions}
  - counter:
      handler: app/counter.handler
      package: {artifact: own.zip}
      environment: {SHELF: !Ref Shelf}
      events:
        - httpApi: {method: GET, path: /loans, authorizer: {name: staff}}
    lend:
      handler: app/lend.handler
      role: ProducerRole
      vpc: null
      environment: ${file(infra/penstock.yml):environment.producer}
      package: {artifact: own.zip}
      events:
        - httpApi: {method: POST, path: /loans, authorizer: "${file(infra/penstock.yml):api.route}"}
resources:
  - ${file(infra/penstock.yml):resources}
  - ${file(infra/penstock.yml):authorizer}
  - ${file(infra/penstock.yml):vpc}
  - ${file(infra/penstock.yml):fifo}
  - Resources:
      Shelf: {Type: AWS::S3::Bucket}
      Guard: {Type: AWS::EC2::SecurityGroup, Properties: {GroupDescription: guard, VpcId: vpc-1}}
    Outputs:
      ShelfName: {Value: !Ref Shelf}
"""


def write_existing_service(folder: Path, text: str = SERVERLESS) -> None:
    """Write the service and its artifacts, which have to be built, to an empty folder."""
    (folder / "serverless.yml").write_text(text)
    (folder / NAME).parent.mkdir()
    (folder / NAME).write_text(include_file())
    (folder / "build").symlink_to(ROOT / "build")
    shutil.copy(BUILD / "producer.zip", folder / "own.zip")
