# VPC endpoints: tasks pull images, read secrets and write logs without leaving AWS.

resource "aws_security_group" "endpoints" {
  name        = "${var.name}-endpoints"
  description = "Interface endpoints, reached by tasks"
  vpc_id      = var.vpc_id

  tags = { Name = "${var.name}-endpoints" }
}

resource "aws_vpc_security_group_ingress_rule" "tasks" {
  security_group_id            = aws_security_group.endpoints.id
  description                  = "HTTPS from tasks"
  referenced_security_group_id = var.task_security_group_id
  from_port                    = 443
  to_port                      = 443
  ip_protocol                  = "tcp"

  tags = { Name = "${var.name}-endpoints-https" }
}

resource "aws_vpc_endpoint" "interface" {
  for_each = var.interface_services

  vpc_id              = var.vpc_id
  service_name        = "com.amazonaws.${var.region}.${each.value}"
  vpc_endpoint_type   = "Interface"
  subnet_ids          = var.subnet_ids
  security_group_ids  = [aws_security_group.endpoints.id]
  private_dns_enabled = true

  tags = { Name = "${var.name}-${replace(each.value, ".", "-")}" }

  depends_on = [aws_vpc_security_group_ingress_rule.tasks]

  # They serve until the tasks have another way out.
  lifecycle {
    create_before_destroy = true
  }
}
