# A word before the bill is a surprise: at four fifths of the budget, and when the forecast exceeds it.

resource "aws_budgets_budget" "main" {
  name         = var.name
  budget_type  = "COST"
  time_unit    = "MONTHLY"
  limit_amount = format("%.1f", var.limit_usd)
  limit_unit   = "USD"

  # Cost allocation must be switched on for this tag in the billing console.
  cost_filter {
    name   = "TagKeyValue"
    values = [format("user:Environment$%s", var.environment)]
  }

  notification {
    notification_type          = "ACTUAL"
    comparison_operator        = "GREATER_THAN"
    threshold                  = 80
    threshold_type             = "PERCENTAGE"
    subscriber_sns_topic_arns  = var.topic_arns
    subscriber_email_addresses = var.emails
  }

  notification {
    notification_type          = "FORECASTED"
    comparison_operator        = "GREATER_THAN"
    threshold                  = 100
    threshold_type             = "PERCENTAGE"
    subscriber_sns_topic_arns  = var.topic_arns
    subscriber_email_addresses = var.emails
  }
}
