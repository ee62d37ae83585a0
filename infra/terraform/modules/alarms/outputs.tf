output "topic_arn" {
  description = "Topic that alarms publish to."
  value       = aws_sns_topic.main.arn
}

output "alarm_names" {
  description = "All alarms."
  value       = sort(concat([for alarm in aws_cloudwatch_metric_alarm.high : alarm.alarm_name], [for alarm in aws_cloudwatch_metric_alarm.low : alarm.alarm_name]))
}
