# The real provider plans without asking AWS anything: policies are rendered as they will be.
provider "aws" {
  region                      = "us-east-1"
  access_key                  = "none"
  secret_key                  = "none"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_region_validation      = true
  skip_requesting_account_id  = true
}

variables {
  name       = "shop"
  vpc_id     = "vpc-1"
  subnet_ids = ["subnet-1", "subnet-2"]

  health_check_path = "/readyz"
}

run "http_without_a_certificate" {
  command = plan

  module {
    source = "./modules/load-balancer"
  }

  assert {
    condition     = aws_lb.main.name == "shop-alb" && aws_lb.main.load_balancer_type == "application" && !aws_lb.main.internal
    error_message = "The design's name, reachable from outside."
  }

  assert {
    condition     = aws_lb.main.idle_timeout == 60 && aws_lb.main.drop_invalid_header_fields && aws_lb.main.enable_deletion_protection
    error_message = "Timeout, header check and protection."
  }

  assert {
    condition     = aws_lb_listener.http.port == 80 && aws_lb_listener.http.default_action[0].type == "forward" && length(aws_lb_listener.https) == 0
    error_message = "Port 80 must serve."
  }

  assert {
    condition     = aws_lb_target_group.tasks.health_check[0].path == "/readyz" && aws_lb_target_group.tasks.health_check[0].matcher == "200-399" && aws_lb_target_group.tasks.port == 80 && aws_lb_target_group.tasks.target_type == "ip"
    error_message = "Tasks must be asked whether they are ready."
  }

  assert {
    condition     = tonumber(aws_lb_target_group.tasks.deregistration_delay) == 30
    error_message = "A leaving task must get time for its requests."
  }

  assert {
    condition     = length(aws_lb.main.access_logs) == 0 && length(aws_wafv2_web_acl_association.main) == 0
    error_message = "Nothing that was not asked for."
  }
}

run "https_with_redirect" {
  command = plan

  module {
    source = "./modules/load-balancer"
  }

  variables {
    https           = true
    certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/1"
  }

  assert {
    condition     = aws_lb_listener.http.default_action[0].type == "redirect" && aws_lb_listener.http.default_action[0].redirect[0].protocol == "HTTPS" && aws_lb_listener.http.default_action[0].redirect[0].status_code == "HTTP_301"
    error_message = "Port 80 must only redirect."
  }

  assert {
    condition     = aws_lb_listener.https[0].port == 443 && aws_lb_listener.https[0].ssl_policy == "ELBSecurityPolicy-TLS13-1-2-2021-06"
    error_message = "TLS 1.2 at least."
  }

  assert {
    condition     = aws_lb_listener.https[0].certificate_arn == "arn:aws:acm:us-east-1:123456789012:certificate/1"
    error_message = "The given certificate must be used."
  }
}

run "access_logs_and_firewall" {
  command = plan

  module {
    source = "./modules/load-balancer"
  }

  variables {
    access_log_bucket = "logs"
    firewall          = true
    web_acl_arn       = "arn:aws:wafv2:us-east-1:123456789012:regional/webacl/a/1"
  }

  assert {
    condition     = aws_lb.main.access_logs[0].bucket == "logs" && aws_lb.main.access_logs[0].enabled
    error_message = "Requests must be recorded."
  }

  assert {
    condition     = length(aws_wafv2_web_acl_association.main) == 1
    error_message = "The firewall must stand in front."
  }
}

run "other_values" {
  command = plan

  module {
    source = "./modules/load-balancer"
  }

  variables {
    health_check_path            = "/up"
    idle_timeout_seconds         = 30
    deregistration_delay_seconds = 10
    deletion_protection          = false
  }

  assert {
    condition     = aws_lb_target_group.tasks.health_check[0].path == "/up" && aws_lb.main.idle_timeout == 30 && tonumber(aws_lb_target_group.tasks.deregistration_delay) == 10 && !aws_lb.main.enable_deletion_protection
    error_message = "Every setting must arrive."
  }
}

# Refused here: a name with capitals, no vpc, one subnet, a path without slash, an idle timeout above keep alive, a delay longer than the stop timeout, https without certificate, a bucket that is none, a firewall without rules.
run "refuses_nonsense" {
  command = plan

  module {
    source = "./modules/load-balancer"
  }

  variables {
    name                         = "Shop"
    vpc_id                       = ""
    subnet_ids                   = ["subnet-1"]
    health_check_path            = "readyz"
    idle_timeout_seconds         = 65
    deregistration_delay_seconds = 60
    https                        = true
    access_log_bucket            = "No"
    firewall                     = true
  }

  expect_failures = [var.name, var.vpc_id, var.subnet_ids, var.health_check_path, var.idle_timeout_seconds, var.deregistration_delay_seconds, var.certificate_arn, var.access_log_bucket, var.web_acl_arn]
}
