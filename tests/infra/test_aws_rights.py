"""infra/examples/aws-many-pools: ten pools and fan-out in one function, under exactly the policies that Terraform plans for it.

The policies are planned, not applied, and given to a role of the emulator, which holds every request of the function against
them and has IAM's quotas on sizes and numbers. Then the rights are taken away one by one: each is needed, and each is named.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections import Counter
from dataclasses import replace

import pytest

from dispatcher.client import Dispatcher
from dispatcher.environment.settings import Settings
from dispatcher.errors import DispatcherError
from dispatcher.functions.invocation import invoke
from dispatcher.functions.lambda_invocations import LambdaInvocations
from dispatcher.models import RunState, parse_submission_name
from dispatcher.stores.dynamodb import DynamoStore
from dispatcher.wiring import wire
from providers.emulators.ecs import EcsEmulator
from providers.emulators.ecs.identities import ATTACHED, size
from providers.emulators.faults import FaultKind
from tests.functions.conftest import Clock
from tests.infra.aws import Root, listed
from tests.infra.terraform import Terraform, mirror, needs

pytestmark = [needs("hashicorp/aws"), pytest.mark.long]  # a plan with AWS's plug-in takes 20 CPU seconds

TENANT = "345678901234"
"""The account in which the role lives."""
BUSY = ("batch", "second")
LONGEST = "x" * 22
POOLS = (*BUSY, *(f"{LONGEST}{number}" for number in range(8)))
"""Ten, which a role's quota of managed policies allows; most have the longest name that a pool may have."""
OF_THE_PLATFORM = {"logs:CreateLogStream", "logs:PutLogEvents", "sqs:SendMessage"}
"""What Lambda itself does with the function's role: no call of ours needs it."""
RIGHTS = (
    *("dynamodb:BatchGetItem", "dynamodb:DeleteItem", "dynamodb:GetItem"),
    *("dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem"),
    *("ec2:DescribeSubnets", "ec2:DescribeVpcs"),
    *("ecs:DescribeTaskDefinition", "ecs:DescribeTasks", "ecs:ListTasks", "ecs:RegisterTaskDefinition", "ecs:RunTask"),
    *("ecs:StopTask", "ecs:TagResource", "iam:PassRole", "lambda:InvokeFunction"),
)
ON_LAMBDA = {"AWS_LAMBDA_FUNCTION_NAME": "push-dispatcher", "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST"}
"""As Lambda sets it for a function of which no version was published."""
WHOLE_LIFE = {RunState.COMPLETED: 4, RunState.CANCELLED: 1, "invoked": 2}


@pytest.fixture(scope="module")
def tenant():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
        with EcsEmulator(account=TENANT, cluster="push-dispatcher-batch", enforce_permissions=True) as emulator:
            yield emulator


@pytest.fixture(scope="module")
def documents(tenant, tmp_path_factory):
    """The policies of the function's role: `dispatcher` is inline, each other is a managed one."""
    terraform = Terraform(
        tmp_path_factory.mktemp("many-pools"),
        "examples/aws-many-pools",
        plugins=mirror("hashicorp/aws"),
        variables={"pools": POOLS},
        environment=tenant.environment(),
    )
    planned = terraform.planned()
    managed = {address: policy["policy"] for address, policy in planned.items() if ".aws_iam_policy.pools" in address}
    return {"dispatcher": planned['module.dispatcher.aws_iam_role_policy.this["tick"]']["policy"], **managed}


def test_ten_pools_with_the_longest_names_are_within_the_quotas_of_iam(documents):
    assert len(documents) == 1 + ATTACHED
    assert size(documents["dispatcher"]) < 10_240
    assert max(size(policy) for name, policy in documents.items() if name != "dispatcher") < 6_144 / 2


def without(document, right):
    """The same policy but for one right; a statement that has no other goes."""
    policy = json.loads(document)
    statements = [
        {**statement, "Action": [action for action in listed(statement["Action"]) if action != right]}
        for statement in policy["Statement"]
    ]
    return json.dumps({**policy, "Statement": [statement for statement in statements if statement["Action"]]})


def a_role(root, documents):
    """The function's role, with these policies."""
    iam = root.client("iam")
    iam.create_role(RoleName="function", AssumeRolePolicyDocument="{}")
    for number, (name, document) in enumerate(documents.items()):
        if name == "dispatcher":
            iam.put_role_policy(RoleName="function", PolicyName=name, PolicyDocument=document)
        else:
            made = iam.create_policy(PolicyName=f"pool-{number}", PolicyDocument=document)["Policy"]
            iam.attach_role_policy(RoleName="function", PolicyArn=made["Arn"])


def job_variables(name):
    """As the output `job_variables` of the pool's module has them."""
    role = f"arn:aws:iam::{TENANT}:role/push-dispatcher-{name}"
    return {
        "cluster": f"arn:aws:ecs:us-east-1:{TENANT}:cluster/push-dispatcher-{name}",
        "family": f"push-dispatcher-{name}",
        "execution_role_arn": f"{role}-execution-us-east-1",
        "task_role_arn": f"{role}-task-us-east-1",
        "image": "busybox",
    }


def an_empty_function(root):
    """The function that fan-out invokes; what is in it does not matter, since its invocations are carried out here."""
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("main.py", "")
    root.client("lambda").create_function(
        FunctionName="push-dispatcher",
        Role=f"arn:aws:iam::{root.account}:role/function",
        Code={"ZipFile": code.getvalue()},
        Runtime="python3.13",
        Handler="main.handler",
    )


def life_of_two_pools(tenant, documents, monkeypatch):
    """Under a role with these policies: both pools get an invocation, an answer is lost and looked up, a run is cancelled twice
    over, the others end.

    The answer: how many runs and invocations came to which end, and all that was logged.
    """
    tenant.reset()
    clock, logged = Clock(), []
    for name, value in tenant.environment().items():
        monkeypatch.setenv(name, value)
    DynamoStore("push-dispatcher", region="us-east-1").create_table()
    root = Root(tenant, TENANT)
    root.client("ecs").create_cluster(clusterName="push-dispatcher-second")
    client = Dispatcher(DynamoStore("push-dispatcher", region="us-east-1"), clock=clock)
    for name in BUSY:
        client.create_work_pool(name, type="ecs:push", concurrency_limit=2, job_variables=job_variables(name))
    runs = client.create_runs({"pool": name} for name in ["batch"] * 4 + ["second"])
    a_role(root, documents)
    an_empty_function(root)

    with monkeypatch.context() as function:
        for name, value in root.environment("function").items():
            function.setenv(name, value)
        wired = wire(Settings(store="dynamodb://push-dispatcher"), clock=clock)
        dispatch = replace(wired.dispatch, events=lambda event, **fields: logged.append(f"{event} {fields}"))
        wired, start, invoked = replace(wired, dispatch=dispatch), LambdaInvocations(ON_LAMBDA), 0
        try:
            tenant.faults.add("RunTask", FaultKind.LOSE_ANSWER)
            invoke(wired, {}, start=start)
            for invocation in list(tenant.functions.invocations):
                invoke(wired, invocation.event)
                invoked += 1
            clock.sleep(400)
            invoke(wired, {})  # looks up what was lost
            cancelled = next((run.id for run in runs if client.run(run.id).submission), None)
            if cancelled:
                client.cancel_run(cancelled)
            for _ in range(4):
                invoke(wired, {})
                for job in tenant.jobs():
                    if job.live and parse_submission_name(job.name)[0] != cancelled:
                        tenant.finish(job.name)
                clock.sleep(60)
        except DispatcherError as problem:
            logged.append(str(problem))
        finally:
            wired.store.close()
    ended = [client.run(run.id) for run in runs]
    states = Counter({**Counter(run.state for run in ended), "invoked": invoked})
    return states, "\n".join([*logged, *(run.reason for run in ended)])


def test_two_pools_live_their_whole_lives_under_the_role(documents, tenant, monkeypatch):
    statements = [statement for document in documents.values() for statement in json.loads(document)["Statement"]]
    assert {action for statement in statements for action in listed(statement["Action"])} == OF_THE_PLATFORM | set(RIGHTS)
    states, logged = life_of_two_pools(tenant, documents, monkeypatch)
    assert states == WHOLE_LIFE
    assert "not authorized" not in logged


@pytest.mark.parametrize("right", RIGHTS)
def test_a_right_that_is_missing_is_named(right, documents, tenant, monkeypatch):
    left = {name: without(document, right) for name, document in documents.items()}
    states, logged = life_of_two_pools(tenant, left, monkeypatch)
    assert f"not authorized to perform: {right} on resource: " in logged
    assert states != WHOLE_LIFE, f"{right} is not needed"
