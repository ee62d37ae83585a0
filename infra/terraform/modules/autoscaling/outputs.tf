output "range" {
  description = "Least and most tasks."
  value       = { min = aws_appautoscaling_target.tasks.min_capacity, max = aws_appautoscaling_target.tasks.max_capacity }
}
