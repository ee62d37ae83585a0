"""Subnets as EC2 refuses them; VPC endpoints, flow logs, NAT gateways and security groups with what ministack drops."""

from ipaddress import IPv4Network
from typing import Any

from localaws import emulator
from localaws.emulator import ec2

OK = 200
REFUSED = 400


def install() -> None:
    def create_endpoint(original: Any, params: Any) -> Any:
        before = set(ec2._vpc_endpoints)
        response = original(params)
        for endpoint_id in set(ec2._vpc_endpoints) - before:
            endpoint = ec2._vpc_endpoints[endpoint_id]
            interface = endpoint["VpcEndpointType"] == "Interface"
            endpoint["_groups"] = ec2._parse_member_list(params, "SecurityGroupId")
            given = ec2._p(params, "PrivateDnsEnabled")
            endpoint["_private_dns"] = given == "true" if given else interface
            endpoint["PolicyDocument"] = ec2._p(params, "PolicyDocument")
            # Rendered again, with all settings.
            body = ec2._vpce_fields_xml(endpoint, tag="vpcEndpoint")
            return ec2._xml(OK, "CreateVpcEndpointResponse", body)
        return response

    def modify_endpoint(original: Any, params: Any) -> Any:
        response = original(params)
        endpoint = ec2._vpc_endpoints.get(ec2._p(params, "VpcEndpointId"))
        if response[0] == OK and endpoint is not None:
            removed = ec2._parse_member_list(params, "RemoveSecurityGroupId")
            added = ec2._parse_member_list(params, "AddSecurityGroupId")
            kept = [group for group in endpoint.get("_groups", []) if group not in removed]
            endpoint["_groups"] = [*kept, *(group for group in added if group not in kept)]
            if ec2._p(params, "PrivateDnsEnabled"):
                endpoint["_private_dns"] = ec2._p(params, "PrivateDnsEnabled") == "true"
            if ec2._p(params, "ResetPolicy") == "true":
                endpoint["PolicyDocument"] = ""
        return response

    def endpoint_xml(original: Any, endpoint: Any, tag: str = "item") -> Any:
        text = str(original(endpoint, tag))
        shown: dict[str, Any] = {}
        if endpoint["VpcEndpointType"] == "Interface":
            shown = {
                "groupSet": [{"groupId": group} for group in endpoint.get("_groups", [])],
                "privateDnsEnabled": bool(endpoint.get("_private_dns")),
                "ipAddressType": "ipv4",
                "dnsOptions": {"dnsRecordIpType": "ipv4"},
            }
        shown["policyDocument"] = endpoint.get("PolicyDocument") or ""
        end = f"</{tag}>"  # of the endpoint: its lists have items as well
        if not text.endswith(end):
            return text
        return text.removesuffix(end) + emulator.xml(shown, "item") + end

    def create_flow_logs(original: Any, params: Any) -> Any:
        before = set(ec2._flow_logs)
        response = original(params)
        for log_id in set(ec2._flow_logs) - before:
            ec2._flow_logs[log_id].update(
                _role=ec2._p(params, "DeliverLogsPermissionArn"),
                _interval=ec2._p(params, "MaxAggregationInterval") or "600",
                _format=ec2._p(params, "LogFormat"),
                _group=ec2._p(params, "LogGroupName"),
            )
            # The API's name of the resource type; ministack uses another.
            ec2._parse_tag_specs(params, "vpc-flow-log", log_id)
        return response

    def describe_flow_logs(original: Any, params: Any) -> Any:
        status, headers, text = _decoded(original(params))
        for log in ec2._flow_logs.values():
            mark = f"<flowLogId>{log['FlowLogId']}</flowLogId>"
            text = text.replace(mark, mark + _flow_log_xml(log))
        return status, headers, text.encode()

    emulator.wrap(ec2, "_create_subnet", _create_subnet)
    emulator.wrap(ec2, "_parse_ip_permissions", _permissions)
    emulator.wrap(ec2, "_create_vpc_endpoint", create_endpoint)
    emulator.wrap(ec2, "_modify_vpc_endpoint", modify_endpoint)
    emulator.wrap(ec2, "_vpce_fields_xml", endpoint_xml)
    emulator.wrap(ec2, "_create_nat_gateway", _create_nat_gateway)
    emulator.wrap(ec2, "_describe_nat_gateways", _describe_nat_gateways)
    emulator.wrap(ec2, "_create_flow_logs", create_flow_logs)
    emulator.wrap(ec2, "_describe_flow_logs", describe_flow_logs)


def _create_subnet(original: Any, params: Any) -> Any:
    """CreateSubnet: its range is one of the VPC's, and none of another subnet's, such as that of a request sent twice.

    Follows https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
    """
    vpc, cidr = ec2._p(params, "VpcId"), ec2._p(params, "CidrBlock")
    if not (vpc in ec2._vpcs and cidr):
        return original(params)
    wanted = IPv4Network(cidr, strict=False)
    if not wanted.subnet_of(IPv4Network(ec2._vpcs[vpc]["CidrBlock"], strict=False)):
        return ec2._error("InvalidSubnet.Range", f"The CIDR '{cidr}' is invalid.", REFUSED)
    others = (each["CidrBlock"] for each in ec2._subnets.values() if each["VpcId"] == vpc)
    if any(wanted.overlaps(IPv4Network(each, strict=False)) for each in others):
        message = f"The CIDR '{cidr}' conflicts with another subnet"
        return ec2._error("InvalidSubnet.Conflict", message, REFUSED)
    return original(params)


def _permissions(original: Any, params: Any, prefix: Any) -> Any:
    """Rules as sent; for all protocols without ports, which mean nothing then, but which ministack compares."""
    rules = original(params, prefix)
    for rule in rules:
        if rule["IpProtocol"] == "-1":
            rule.pop("FromPort", None)
            rule.pop("ToPort", None)
    return rules


def _create_nat_gateway(original: Any, params: Any) -> Any:
    """CreateNatGateway: with an address that another one has it begins, and fails.

    Follows https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-troubleshooting.html
    """
    wanted = ec2._p(params, "AllocationId")
    others = [each for each in ec2._nat_gateways.values() if each["State"] == "available"]
    before = set(ec2._nat_gateways)
    response = original(params)
    if wanted and wanted in (each["AllocationId"] for each in others):
        for gateway in set(ec2._nat_gateways) - before:
            ec2._nat_gateways[gateway]["State"] = "failed"
    return response


def _describe_nat_gateways(original: Any, params: Any) -> Any:
    """NAT gateways with their addresses."""
    status, headers, text = _decoded(original(params))
    for gateway in ec2._nat_gateways.values():
        address = ec2._addresses.get(gateway.get("AllocationId"))
        mark = f"<natGatewayId>{gateway['NatGatewayId']}</natGatewayId>"
        if address and mark in text:
            before, after = text.split(mark)
            if gateway["State"] == "failed":
                taken = f"Elastic IP address [{address['AllocationId']}] is already associated"
                why = {"failureCode": "Resource.AlreadyAssociated", "failureMessage": taken}
                mark += emulator.xml(why, "item")
            document = {
                "allocationId": address["AllocationId"],
                "publicIp": address["PublicIp"],
                "isPrimary": True,
                "status": "succeeded",
            }
            shown = emulator.xml({"natGatewayAddressSet": [document]}, "item")
            text = f"{before}{mark}{after.replace('<natGatewayAddressSet/>', shown, 1)}"
    return status, headers, text.encode()


def _decoded(response: Any) -> tuple[int, Any, str]:
    status, headers, body = response
    return status, headers, body.decode() if isinstance(body, bytes) else body


def _flow_log_xml(log: dict[str, Any]) -> str:
    fields = {
        "deliverLogsPermissionArn": log.get("_role"),
        "maxAggregationInterval": log.get("_interval", "600"),
        "logFormat": log.get("_format")
        or "${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} "
        "${protocol} ${packets} ${bytes} ${start} ${end} ${action} ${log-status}",
        "logGroupName": log.get("_group"),
        "deliverLogsStatus": "SUCCESS",
    }
    return emulator.xml({name: value for name, value in fields.items() if value})
