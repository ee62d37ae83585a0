"""A service behind a load balancer for one test module, and what the tests ask of it."""

from dataclasses import dataclass, field
from typing import Any

from tests.localaws.conftest import World, until

PORT = 5000
#: Short, so that a failing target is told soon; the deregistration delay so that draining can be seen.
CHECK_SECONDS = 5
DRAIN_SECONDS = 4


@dataclass
class Service:
    """A service of two replicas; ``name`` is also that of its cluster, target group and load balancer."""

    world: World
    name: str
    group: str = ""
    balancer: str = ""
    revisions: int = field(default=0)

    @property
    def log_group(self) -> str:
        """Where the tasks' output goes."""
        return f"/tests/{self.name}"

    def create(self, **container: Any) -> None:
        """Makes the load balancer and the service, and waits until it is steady."""
        self.world.client("logs").create_log_group(logGroupName=self.log_group)
        elb, ecs = self.world.client("elbv2"), self.world.client("ecs")
        made = elb.create_load_balancer(Name=self.name, Subnets=self.world.subnets)
        self.balancer = made["LoadBalancers"][0]["LoadBalancerArn"]
        self.group = elb.create_target_group(
            Name=self.name,
            Protocol="HTTP",
            Port=PORT,
            VpcId=self.world.vpc,
            TargetType="ip",
            HealthCheckPath="/readyz",
            HealthCheckIntervalSeconds=CHECK_SECONDS,
            HealthCheckTimeoutSeconds=2,
            HealthyThresholdCount=2,
            UnhealthyThresholdCount=2,
        )["TargetGroups"][0]["TargetGroupArn"]
        elb.modify_target_group_attributes(
            TargetGroupArn=self.group,
            Attributes=[
                {"Key": "deregistration_delay.timeout_seconds", "Value": str(DRAIN_SECONDS)}
            ],
        )
        elb.create_listener(
            LoadBalancerArn=self.balancer,
            Protocol="HTTP",
            Port=80,
            DefaultActions=[{"Type": "forward", "TargetGroupArn": self.group}],
        )
        ecs.create_cluster(clusterName=self.name)
        ecs.create_service(
            cluster=self.name,
            serviceName=self.name,
            taskDefinition=self.register(**container),
            desiredCount=2,
            launchType="FARGATE",
            availabilityZoneRebalancing="ENABLED",
            healthCheckGracePeriodSeconds=2,
            deploymentConfiguration={
                "deploymentCircuitBreaker": {"enable": True, "rollback": True},
                "minimumHealthyPercent": 100,
                "maximumPercent": 200,
            },
            networkConfiguration={"awsvpcConfiguration": {"subnets": self.world.subnets}},
            loadBalancers=[
                {"targetGroupArn": self.group, "containerName": "app", "containerPort": PORT}
            ],
        )
        self.wait_steady()

    def register(
        self,
        mode: str = "ok",
        *,
        init: dict[str, Any] | None = None,
        task: dict[str, Any] | None = None,
        **container: Any,
    ) -> str:
        """A new revision of the task definition; ``init`` is a container that must succeed first."""
        self.revisions += 1
        logs = {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": self.log_group,
                "awslogs-region": "us-east-1",
                "awslogs-stream-prefix": self.name,
            },
        }
        app: dict[str, Any] = {
            "name": "app",
            "image": self.world.image,
            "portMappings": [{"containerPort": PORT}],
            "environment": [
                {"name": "MODE", "value": mode},
                {"name": "VERSION", "value": str(self.revisions)},
            ],
            "stopTimeout": 20,
            "logConfiguration": logs,
            **container,
        }
        definitions = [app]
        if init is not None:
            app["dependsOn"] = [{"containerName": "init", "condition": "SUCCESS"}]
            first = {"name": "init", "image": self.world.image, "essential": False}
            definitions.append({**first, "logConfiguration": logs, **init})
        registered = self.world.client("ecs").register_task_definition(
            family=self.name,
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            cpu="256",
            memory="512",
            containerDefinitions=definitions,
            **(task or {}),
        )
        return str(registered["taskDefinition"]["taskDefinitionArn"])

    def describe(self) -> dict[str, Any]:
        """The service as DescribeServices shows it."""
        found = self.world.client("ecs").describe_services(cluster=self.name, services=[self.name])
        return dict(found["services"][0])

    def deploy(self, definition: str) -> None:
        """Begins a deployment."""
        self.world.client("ecs").update_service(
            cluster=self.name, service=self.name, taskDefinition=definition
        )

    def wait_steady(self) -> dict[str, Any]:
        """Waits for what Terraform waits for (one deployment, all replicas), and for its completion."""

        def steady() -> dict[str, Any] | None:
            found = self.describe()
            deployments = found["deployments"]
            done = len(deployments) == 1 and deployments[0]["rolloutState"] == "COMPLETED"
            return found if done and found["runningCount"] == found["desiredCount"] else None

        steadied = until(steady, f"a steady state of {self.name}")
        assert steadied is not None
        return steadied

    def tasks(self, status: str = "RUNNING") -> list[dict[str, Any]]:
        """The tasks that are wanted to be RUNNING or STOPPED."""
        ecs = self.world.client("ecs")
        arns = ecs.list_tasks(cluster=self.name, desiredStatus=status)["taskArns"]
        return list(ecs.describe_tasks(cluster=self.name, tasks=arns)["tasks"]) if arns else []

    def task_arns(self) -> list[str]:
        """The tasks that are wanted to be running."""
        return [task["taskArn"] for task in self.tasks()]

    def events(self) -> str:
        """All events of the service, newest first."""
        return "\n".join(one["message"] for one in self.describe()["events"])

    def health(self) -> dict[str, str]:
        """The state of each target by address."""
        found = self.world.client("elbv2").describe_target_health(TargetGroupArn=self.group)
        return {
            one["Target"]["Id"]: one["TargetHealth"]["State"]
            for one in found["TargetHealthDescriptions"]
        }

    def log_lines(self) -> list[str]:
        """What the tasks have printed, as CloudWatch Logs has it."""
        found = self.world.client("logs").filter_log_events(logGroupName=self.log_group)
        return [one["message"] for one in found["events"]]

    def delete(self) -> None:
        """Deletes service and load balancer, and waits until the last task has ended."""
        ecs, elb = self.world.client("ecs"), self.world.client("elbv2")
        ecs.delete_service(cluster=self.name, service=self.name, force=True)
        until(lambda: self.describe()["status"] == "INACTIVE", f"the end of {self.name}")
        elb.delete_load_balancer(LoadBalancerArn=self.balancer)
        for listener in elb.describe_listeners(LoadBalancerArn=self.balancer)["Listeners"]:
            elb.delete_listener(ListenerArn=listener["ListenerArn"])
        elb.delete_target_group(TargetGroupArn=self.group)
