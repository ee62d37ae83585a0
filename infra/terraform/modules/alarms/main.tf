# What wakes somebody up. Each alarm is one line in a table; all of them, and their end, go to one topic.

locals {
  balancer = { LoadBalancer = var.load_balancer_arn_suffix }
  targets  = { LoadBalancer = var.load_balancer_arn_suffix, TargetGroup = var.target_group_arn_suffix }
  service  = { ClusterName = var.cluster_name, ServiceName = var.service_name }

  # threshold is in the metric's unit; minutes is how long it must last.
  common = {
    application-errors = { namespace = "AWS/ApplicationELB", metric = "HTTPCode_Target_5XX_Count", statistic = "Sum", threshold = 10, minutes = 5, dimensions = local.targets, text = "The application answers with 5xx" }
    balancer-errors    = { namespace = "AWS/ApplicationELB", metric = "HTTPCode_ELB_5XX_Count", statistic = "Sum", threshold = 10, minutes = 5, dimensions = local.balancer, text = "The load balancer finds no task that answers" }
    latency            = { namespace = "AWS/ApplicationELB", metric = "TargetResponseTime", statistic = "p95", threshold = 1, minutes = 5, dimensions = local.targets, text = "One request in twenty takes longer than a second" }
    unhealthy-hosts    = { namespace = "AWS/ApplicationELB", metric = "UnHealthyHostCount", statistic = "Maximum", threshold = 0, minutes = 5, dimensions = local.targets, text = "A task fails its health checks" }
    cpu                = { namespace = "AWS/ECS", metric = "CPUUtilization", statistic = "Average", threshold = 85, minutes = 10, dimensions = local.service, text = "Tasks are short of CPU" }
    memory             = { namespace = "AWS/ECS", metric = "MemoryUtilization", statistic = "Average", threshold = 85, minutes = 10, dimensions = local.service, text = "Tasks are short of memory" }
  }

  database = var.database == null ? {} : {
    database-cpu         = { namespace = "AWS/RDS", metric = "CPUUtilization", statistic = "Average", threshold = 85, minutes = 10, dimensions = { DBInstanceIdentifier = var.database.identifier }, text = "The database is short of CPU" }
    database-connections = { namespace = "AWS/RDS", metric = "DatabaseConnections", statistic = "Maximum", threshold = var.database.max_connections * 0.8, minutes = 5, dimensions = { DBInstanceIdentifier = var.database.identifier }, text = "Four fifths of the database's connections are taken" }
  }

  # Bad when they are low. Without a task that serves the others have no figures, so that none of them goes off.
  low = merge({
    no-healthy-hosts = { namespace = "AWS/ApplicationELB", metric = "HealthyHostCount", statistic = "Maximum", threshold = 1, period = 60, periods = 3, missing = "breaching", dimensions = local.targets, text = "No task serves" }
    }, var.database == null ? {} : {
    database-storage = { namespace = "AWS/RDS", metric = "FreeStorageSpace", statistic = "Minimum", threshold = var.database.storage_gb * 0.1 * 1024 * 1024 * 1024, period = 300, periods = 2, missing = "notBreaching", dimensions = { DBInstanceIdentifier = var.database.identifier }, text = "Less than a tenth of the database's storage is free" }
  })
}

resource "aws_sns_topic" "main" {
  name              = "${var.name}-alarms"
  kms_master_key_id = var.kms_key_arn
}

data "aws_iam_policy_document" "publish" {
  statement {
    sid       = "AlarmsAndBudgetsPublish"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.main.arn]

    principals {
      type        = "Service"
      identifiers = ["cloudwatch.amazonaws.com", "budgets.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [var.account_id]
    }
  }
}

resource "aws_sns_topic_policy" "publish" {
  arn    = aws_sns_topic.main.arn
  policy = data.aws_iam_policy_document.publish.json
}

# Every address has to confirm by a link that AWS sends.
resource "aws_sns_topic_subscription" "email" {
  for_each = toset(var.emails)

  topic_arn = aws_sns_topic.main.arn
  protocol  = "email"
  endpoint  = each.value
}

resource "aws_cloudwatch_metric_alarm" "high" {
  for_each = merge(local.common, local.database)

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.text
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = startswith(each.value.statistic, "p") ? null : each.value.statistic
  extended_statistic  = startswith(each.value.statistic, "p") ? each.value.statistic : null
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.threshold
  period              = 60
  evaluation_periods  = each.value.minutes
  datapoints_to_alarm = each.value.minutes
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.main.arn]
  ok_actions          = [aws_sns_topic.main.arn]
}

resource "aws_cloudwatch_metric_alarm" "low" {
  for_each = local.low

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.text
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  comparison_operator = "LessThanThreshold"
  threshold           = each.value.threshold
  period              = each.value.period
  evaluation_periods  = each.value.periods
  treat_missing_data  = each.value.missing
  alarm_actions       = [aws_sns_topic.main.arn]
  ok_actions          = [aws_sns_topic.main.arn]
}
