output "alarm_names" {
  description = "Alarms that the service's deployments are watched by."
  value       = sort([for alarm in aws_cloudwatch_metric_alarm.main : alarm.alarm_name])
}
