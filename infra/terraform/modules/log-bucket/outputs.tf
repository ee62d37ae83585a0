output "name" {
  description = "Bucket's name, once the service may write to it."
  value       = aws_s3_bucket.main.id
  depends_on  = [aws_s3_bucket_policy.main]
}

output "prefix" {
  description = "Where in the bucket the service may write; a load balancer adds it by itself."
  value       = local.prefix
}
