output "rule_ids" {
  description = "All rules: what needs the network can wait for them."
  value = concat(
    [for rule in aws_vpc_security_group_ingress_rule.listener : rule.id],
    [
      aws_vpc_security_group_egress_rule.load_balancer_to_tasks.id,
      aws_vpc_security_group_ingress_rule.tasks_from_load_balancer.id,
      aws_vpc_security_group_egress_rule.tasks_https.id,
    ],
    aws_vpc_security_group_egress_rule.tasks_to_database[*].id,
    aws_vpc_security_group_ingress_rule.database_from_tasks[*].id,
  )
}
