output "name" {
  description = "Bucket's name, once the load balancer may write to it."
  value       = aws_s3_bucket.main.id
  depends_on  = [aws_s3_bucket_policy.main]
}
