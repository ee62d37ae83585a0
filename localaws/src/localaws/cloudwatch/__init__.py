"""CloudWatch alarms and Application Auto Scaling, by moto."""
