output "name" {
  description = "Budget's name."
  value       = aws_budgets_budget.main.name
}
