output "url" {
  description = "Repository to push to, registry host included."
  value       = aws_ecr_repository.main.repository_url
}

output "arn" {
  description = "Repository's ARN."
  value       = aws_ecr_repository.main.arn
}
