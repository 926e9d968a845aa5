"""The repository, and credentials that no AWS account knows."""

from pathlib import Path

import boto3

ROOT = Path(__file__).parents[2]
SESSION = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1")
