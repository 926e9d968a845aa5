"""What docs/data-api.md says of the RDS Data API."""

import re
from typing import Any

import boto3
import pytest
from botocore.model import ServiceModel


@pytest.fixture(scope="module")
def model() -> ServiceModel:
    """AWS's own description of the service, as boto3 has it."""
    return boto3.session.Session()._session.get_service_model("rds-data")


def documentation(model: ServiceModel, operation: str, parameter: str = "") -> str:
    found: Any = model.operation_model(operation)
    text: str = found.input_shape.members[parameter].documentation if parameter else found.documentation
    return re.sub(r"<[^>]+>|\s+", " ", text)


def test_the_data_api_takes_no_arrays(model: ServiceModel) -> None:
    """AWS refuses array parameters, in single statements and in batches."""
    for operation, parameter in (("ExecuteStatement", "parameters"), ("BatchExecuteStatement", "parameterSets")):
        assert "Array parameters are not supported." in documentation(model, operation, parameter)


def test_an_error_of_the_data_api_has_no_sqlstate(model: ServiceModel) -> None:
    """No error that AWS describes has a field for the SQLSTATE."""
    errors: list[Any] = model.operation_model("ExecuteStatement").error_shapes
    assert "DatabaseErrorException" in {error.name for error in errors}
    assert {name for error in errors for name in error.members} <= {"message", "dbConnectionId"}


def test_the_limits_of_the_data_api(model: ServiceModel) -> None:
    """The sizes and the three minutes of the page are AWS's."""
    assert "4 MiB" in documentation(model, "BatchExecuteStatement")
    assert "The response size limit is 1 MiB." in documentation(model, "BatchExecuteStatement")
    assert "no calls use its transaction ID in three minutes" in documentation(model, "BeginTransaction")


def test_a_call_of_the_data_api_is_one_statement(model: ServiceModel) -> None:
    """No operation sends several statements, but a deprecated one; none tells the state of a transaction."""
    assert set(model.operation_names) == {
        "BatchExecuteStatement",
        "BeginTransaction",
        "CommitTransaction",
        "ExecuteSql",
        "ExecuteStatement",
        "RollbackTransaction",
    }
    assert model.operation_model("ExecuteSql").deprecated


def test_the_local_data_api_reaches_no_postgres_of_its_own(local_aws_endpoint: str) -> None:
    """Without Docker the local AWS executes no query."""
    rds: Any = boto3.client("rds", endpoint_url=local_aws_endpoint)
    secrets = boto3.client("secretsmanager", endpoint_url=local_aws_endpoint)
    data: Any = boto3.client("rds-data", endpoint_url=local_aws_endpoint)
    cluster = rds.create_db_cluster(
        DBClusterIdentifier="data-api",
        Engine="aurora-postgresql",
        EngineMode="serverless",
        MasterUsername="shop",
        MasterUserPassword="password",
        EnableHttpEndpoint=True,
    )["DBCluster"]["DBClusterArn"]
    secret = secrets.create_secret(Name="data-api", SecretString='{"username": "shop", "password": "password"}')
    with pytest.raises(data.exceptions.BadRequestException, match="stub mode"):
        data.execute_statement(resourceArn=cluster, secretArn=secret["ARN"], sql="SELECT 1")
