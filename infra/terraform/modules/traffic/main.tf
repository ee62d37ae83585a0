# Who may talk to whom, in one place: the world reaches the load balancer, it alone reaches the tasks, they alone reach
# the database. The groups belong to what they guard; rules are resources of their own, so that a change never replaces one.

locals {
  listener_ports = var.https ? [80, 443] : [80]
  listeners = {
    for pair in setproduct(local.listener_ports, var.allowed_cidrs) :
    "${pair[0]} ${pair[1]}" => { port = pair[0], cidr = pair[1] }
  }
}

resource "aws_vpc_security_group_ingress_rule" "listener" {
  for_each = local.listeners

  security_group_id = var.load_balancer_group_id
  description       = "Port ${each.value.port} from ${each.value.cidr}"
  cidr_ipv4         = each.value.cidr
  from_port         = each.value.port
  to_port           = each.value.port
  ip_protocol       = "tcp"

  tags = { Name = "${var.name}-alb-${each.value.port}" }
}

# Changed in place, the rules of a new port would cut off the tasks that still serve on the one before.
resource "terraform_data" "container_port" {
  input = var.container_port
}

resource "aws_vpc_security_group_egress_rule" "load_balancer_to_tasks" {
  security_group_id            = var.load_balancer_group_id
  description                  = "Requests and health checks to tasks"
  referenced_security_group_id = var.task_group_id
  from_port                    = var.container_port
  to_port                      = var.container_port
  ip_protocol                  = "tcp"

  tags = { Name = "${var.name}-alb-to-tasks" }

  lifecycle {
    create_before_destroy = true
    replace_triggered_by  = [terraform_data.container_port]
  }
}

resource "aws_vpc_security_group_ingress_rule" "tasks_from_load_balancer" {
  security_group_id            = var.task_group_id
  description                  = "Application port from the load balancer"
  referenced_security_group_id = var.load_balancer_group_id
  from_port                    = var.container_port
  to_port                      = var.container_port
  ip_protocol                  = "tcp"

  tags = { Name = "${var.name}-tasks-from-alb" }

  lifecycle {
    create_before_destroy = true
    replace_triggered_by  = [terraform_data.container_port]
  }
}

resource "aws_vpc_security_group_egress_rule" "tasks_https" {
  security_group_id = var.task_group_id
  description       = "HTTPS to AWS: images, secrets, logs"
  cidr_ipv4         = "0.0.0.0/0"
  from_port         = 443
  to_port           = 443
  ip_protocol       = "tcp"

  tags = { Name = "${var.name}-tasks-https" }
}

resource "aws_vpc_security_group_egress_rule" "tasks_to_database" {
  count = var.database ? 1 : 0

  security_group_id            = var.task_group_id
  description                  = "PostgreSQL"
  referenced_security_group_id = var.database_group_id
  from_port                    = 5432
  to_port                      = 5432
  ip_protocol                  = "tcp"

  tags = { Name = "${var.name}-tasks-to-database" }
}

resource "aws_vpc_security_group_ingress_rule" "database_from_tasks" {
  count = var.database ? 1 : 0

  security_group_id            = var.database_group_id
  description                  = "PostgreSQL from tasks"
  referenced_security_group_id = var.task_group_id
  from_port                    = 5432
  to_port                      = 5432
  ip_protocol                  = "tcp"

  tags = { Name = "${var.name}-database-from-tasks" }
}
