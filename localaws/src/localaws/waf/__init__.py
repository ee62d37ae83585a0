"""Web Application Firewall."""
