output "identifier" {
  description = "Instance's identifier."
  value       = aws_db_instance.main.identifier
}

output "address" {
  description = "Host name."
  value       = aws_db_instance.main.address
}

output "port" {
  description = "Port."
  value       = aws_db_instance.main.port
}

output "database_name" {
  description = "Database inside the instance."
  value       = aws_db_instance.main.db_name
}

output "secret_arn" {
  description = "Secret with the JSON keys username and password."
  value       = aws_db_instance.main.master_user_secret[0].secret_arn
}

output "security_group_id" {
  description = "Database's security group."
  value       = aws_security_group.main.id
}
