output "security_group_id" {
  description = "Security group of the interface endpoints."
  value       = aws_security_group.endpoints.id
}

output "endpoint_ids" {
  description = "Endpoints by service, the S3 gateway included."
  value       = merge({ for service, endpoint in aws_vpc_endpoint.interface : service => endpoint.id }, { s3 = aws_vpc_endpoint.s3.id })
}
