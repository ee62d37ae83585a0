output "vpc_id" {
  description = "VPC's id."
  value       = aws_vpc.main.id
}

output "public_subnet_ids" {
  description = "Subnets with a route to the internet, one for each zone."
  value       = [for zone in local.zones : aws_subnet.public[zone].id]

  # A load balancer that faces the internet is refused in a VPC without a gateway.
  depends_on = [aws_route.internet, aws_route_table_association.public]
}

output "private_subnet_ids" {
  description = "Subnets without a public address, one for each zone."
  value       = [for zone in local.zones : aws_subnet.private[zone].id]
}

output "task_subnet_ids" {
  description = "Subnets that tasks run in."
  value       = [for zone in local.zones : var.egress == "public" ? aws_subnet.public[zone].id : aws_subnet.private[zone].id]

  # Tasks must not start before their way out exists.
  depends_on = [aws_route.internet, aws_route.nat, aws_vpc_endpoint.s3, aws_route_table_association.public, aws_route_table_association.private]
}
