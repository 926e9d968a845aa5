"""Print a SAM template as the plain CloudFormation that AWS makes of it: `sam_transform.py TEMPLATE`."""

import json
import os
import sys
from pathlib import Path
from typing import Any

from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
template: Any = yaml_parse(Path(sys.argv[1]).read_text())
for resource in template["Resources"].values():
    if resource["Type"] == "AWS::Serverless::Function":
        # What `sam package` writes there, once it has uploaded the artifact.
        resource["Properties"]["CodeUri"] = "s3://bucket/key"
# Only policies of AWS by name, which the template does not use, are looked up in an account.
made = Translator({}, Parser()).translate(template, {})
sys.stdout.write(json.dumps(made))
