# The only way in. With a certificate, port 80 only redirects.

resource "aws_security_group" "main" {
  name        = "${var.name}-alb"
  description = "Load balancer, reached from outside"
  vpc_id      = var.vpc_id

  tags = { Name = "${var.name}-alb" }
}

resource "aws_lb" "main" {
  #checkov:skip=CKV2_AWS_20:port 80 redirects as soon as there is a domain; checkov cannot evaluate the condition
  #checkov:skip=CKV2_AWS_76:the firewall module has the rules for known bad inputs; checkov does not follow modules
  name               = "${var.name}-alb"
  load_balancer_type = "application"
  internal           = false
  subnets            = var.subnet_ids
  security_groups    = [aws_security_group.main.id]

  idle_timeout               = var.idle_timeout_seconds
  drop_invalid_header_fields = true
  enable_deletion_protection = var.deletion_protection

  dynamic "access_logs" {
    for_each = var.access_log_bucket == null ? [] : [var.access_log_bucket]

    content {
      bucket  = access_logs.value
      enabled = true
    }
  }
}

resource "aws_lb_target_group" "tasks" {
  #checkov:skip=CKV_AWS_378:TLS ends at the load balancer; inside the VPC only its security group reaches the tasks
  name        = "${var.name}-tasks"
  vpc_id      = var.vpc_id
  target_type = "ip"
  port        = 80 # ECS registers each task with its own
  protocol    = "HTTP"

  deregistration_delay          = var.deregistration_delay_seconds
  load_balancing_algorithm_type = "least_outstanding_requests"

  health_check {
    path                = var.health_check_path
    matcher             = "200-399" # as Kubernetes judges a probe
    interval            = 5
    timeout             = 3
    healthy_threshold   = 2
    unhealthy_threshold = 3
  }

  # A new port replaces the group, which a listener uses: one that began with another keeps it.
  lifecycle {
    ignore_changes = [port]
  }
}

resource "aws_lb_listener" "http" {
  #checkov:skip=CKV_AWS_2:it redirects as soon as there is a domain; checkov cannot evaluate the condition
  load_balancer_arn = aws_lb.main.arn
  port              = 80
  protocol          = "HTTP"

  # Without a domain there is no certificate, and nothing to redirect to.
  default_action {
    type             = var.https ? "redirect" : "forward"
    target_group_arn = var.https ? null : aws_lb_target_group.tasks.arn

    dynamic "redirect" {
      for_each = var.https ? ["443"] : []

      content {
        port        = redirect.value
        protocol    = "HTTPS"
        status_code = "HTTP_301"
      }
    }
  }

  # It may wait minutes for its certificate.
  depends_on = [aws_lb_listener.https]
}

resource "aws_lb_listener" "https" {
  count = var.https ? 1 : 0

  load_balancer_arn = aws_lb.main.arn
  port              = 443
  protocol          = "HTTPS"
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = var.certificate_arn

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.tasks.arn
  }
}

resource "aws_wafv2_web_acl_association" "main" {
  count = var.firewall ? 1 : 0

  resource_arn = aws_lb.main.arn
  web_acl_arn  = var.web_acl_arn
}
