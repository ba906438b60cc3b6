"""AWS for the dispatcher: moto's server, with an emulated ECS in front of it.

    with EcsEmulator(job_seconds=5) as ecs:
        os.environ.update(ecs.environment())
        boto3.client("ecs").run_task(taskDefinition="hello", launchType="FARGATE", networkConfiguration=ecs.network)

Clusters, task definitions, the network, IAM, logs, STS and DynamoDB are moto's, one request at a time, so that several
processes can share it; every ECS request is checked against botocore's service model first. Tasks (RunTask,
DescribeTasks, ListTasks, StopTask) are this package's own.
"""

from providers.emulators.ecs.server import EcsEmulator

__all__ = ["EcsEmulator"]
