output "name" {
  description = "Bucket's name."
  value       = aws_s3_bucket.main.id
}

output "arn" {
  description = "Bucket's ARN."
  value       = aws_s3_bucket.main.arn
}
