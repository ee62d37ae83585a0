output "log_group_name" {
  description = "Log group that holds the records."
  value       = aws_cloudwatch_log_group.main.name
}
