output "arn" {
  description = "Load balancer's ARN."
  value       = aws_lb.main.arn
}

output "arn_suffix" {
  description = "Load balancer's part of CloudWatch dimensions."
  value       = aws_lb.main.arn_suffix
}

output "dns_name" {
  description = "Load balancer's host name."
  value       = aws_lb.main.dns_name
}

output "zone_id" {
  description = "Hosted zone of the load balancer's host name, for alias records."
  value       = aws_lb.main.zone_id
}

output "target_group_arn" {
  description = "Target group that tasks register in."
  value       = aws_lb_target_group.tasks.arn

  # ECS refuses a service whose target group no listener uses yet.
  depends_on = [aws_lb_listener.http, aws_lb_listener.https]
}

output "target_group_arn_suffix" {
  description = "Target group's part of CloudWatch dimensions."
  value       = aws_lb_target_group.tasks.arn_suffix
}

output "security_group_id" {
  description = "Load balancer's security group."
  value       = aws_security_group.main.id
}
