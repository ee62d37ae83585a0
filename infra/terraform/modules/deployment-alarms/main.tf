# What ECS watches while it replaces the tasks: with one of these in ALARM it goes back to the deployment before.
# A load balancer has no figures for less than a minute. Few requests say nothing: below the least number there is no alarm.

locals {
  balancer = { LoadBalancer = var.load_balancer_arn_suffix }
  targets  = { LoadBalancer = var.load_balancer_arn_suffix, TargetGroup = var.target_group_arn_suffix }

  # What no task answers (it hangs up, refuses the connection, is killed) the load balancer answers itself: it counts that
  # for all of its target groups together, and among the requests only where it had a task to choose.
  of = { errors = "requests", unanswered = "(FILL(requests, 0) + watched)", latency = "requests" }

  # Without an error there is no count of errors, hence no data, which does not breach.
  alarms = {
    errors     = { metric = "HTTPCode_Target_5XX_Count", stat = "Sum", dimensions = local.targets, value = "100 * watched / ${local.of.errors}", threshold = var.errors_percent, text = "Percent of requests that the application answers with 5xx" }
    unanswered = { metric = "HTTPCode_ELB_5XX_Count", stat = "Sum", dimensions = local.balancer, value = "100 * watched / ${local.of.unanswered}", threshold = var.errors_percent, text = "Percent of requests that no task answers" }
    latency    = { metric = "TargetResponseTime", stat = "p90", dimensions = local.targets, value = "watched", threshold = var.latency_seconds, text = "Seconds that nine of ten requests take at most" }
  }
}

resource "aws_cloudwatch_metric_alarm" "main" {
  for_each = local.alarms

  alarm_name          = "${var.name}-deployment-${each.key}"
  alarm_description   = "${each.value.text}; rolls a deployment back"
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.threshold
  evaluation_periods  = var.minutes
  datapoints_to_alarm = var.minutes
  treat_missing_data  = "notBreaching"

  metric_query {
    id          = "value"
    expression  = "IF(${local.of[each.key]} >= ${var.requests}, ${each.value.value}, 0)"
    label       = each.value.text
    return_data = true
  }

  dynamic "metric_query" {
    for_each = {
      requests = { metric = "RequestCount", stat = "Sum", dimensions = local.targets }
      watched  = { metric = each.value.metric, stat = each.value.stat, dimensions = each.value.dimensions }
    }

    content {
      id = metric_query.key

      metric {
        namespace   = "AWS/ApplicationELB"
        metric_name = metric_query.value.metric
        dimensions  = metric_query.value.dimensions
        period      = 60
        stat        = metric_query.value.stat
      }
    }
  }
}
