# The real provider plans without asking AWS anything: policies are rendered as they will be.
provider "aws" {
  region                      = "us-east-1"
  access_key                  = "none"
  secret_key                  = "none"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_region_validation      = true
  skip_requesting_account_id  = true
}

variables {
  name        = "shop"
  account_id  = "123456789012"
  vpc_id      = "vpc-1"
  subnet_ids  = ["subnet-1", "subnet-2"]
  kms_key_arn = "arn:aws:kms:us-east-1:123456789012:key/1"

  database_name = "shop"
}

run "private_encrypted_tls_only" {
  command = plan

  module {
    source = "./modules/database"
  }

  assert {
    condition     = aws_db_instance.main.storage_encrypted && !aws_db_instance.main.publicly_accessible && aws_db_instance.main.engine == "postgres"
    error_message = "Encrypted and private."
  }

  assert {
    condition     = aws_db_instance.main.manage_master_user_password && aws_db_instance.main.password == null
    error_message = "RDS keeps the password, Terraform never sees it."
  }

  assert {
    condition     = contains([for parameter in aws_db_parameter_group.main.parameter : "${parameter.name}=${parameter.value}"], "rds.force_ssl=1")
    error_message = "No connection without TLS."
  }

  assert {
    condition     = one([for parameter in aws_db_parameter_group.main.parameter : parameter.apply_method if parameter.name == "rds.force_ssl"]) == "pending-reboot" && aws_db_instance.main.auto_minor_version_upgrade
    error_message = "What RDS says of the engine's own default must be no difference; minor upgrades come by themselves."
  }

  assert {
    condition     = aws_db_parameter_group.main.family == "postgres15"
    error_message = "The parameter group must fit the version."
  }

  assert {
    condition     = aws_db_instance.main.deletion_protection && !aws_db_instance.main.skip_final_snapshot && !aws_db_instance.main.delete_automated_backups && aws_db_instance.main.final_snapshot_identifier == "shop-final-${substr(sha1(var.kms_key_arn), 0, 8)}"
    error_message = "Data must not get lost by a destroy."
  }

  assert {
    condition     = aws_db_instance.main.backup_retention_period == 7 && !aws_db_instance.main.multi_az
    error_message = "Backups by default."
  }

  assert {
    condition     = !aws_secretsmanager_secret_rotation.master.rotate_immediately && aws_secretsmanager_secret_rotation.master.rotation_rules[0].automatically_after_days == 90
    error_message = "The password must not change every week."
  }
}

run "refuses_a_minor_version" {
  command = plan

  module {
    source = "./modules/database"
  }

  variables {
    engine_version = "15.7"
  }

  expect_failures = [var.engine_version]
}

run "a_reviewed_change_happens_at_once_also_a_major_version" {
  command = plan

  module {
    source = "./modules/database"
  }

  variables {
    engine_version = "16"
  }

  assert {
    condition     = aws_db_instance.main.apply_immediately && aws_db_instance.main.allow_major_version_upgrade
    error_message = "Tasks change at once, so the database must not wait for its window; nor is there another way to a major version."
  }

  assert {
    condition     = aws_db_parameter_group.main.family == "postgres16" && aws_db_instance.main.parameter_group_name == "shop-postgres16"
    error_message = "A major version comes with its parameter group."
  }
}

run "production" {
  command = plan

  module {
    source = "./modules/database"
  }

  variables {
    multi_az                 = true
    instance_class           = "db.m7g.large"
    storage_gb               = 100
    max_storage_gb           = 500
    backup_days              = 30
    engine_version           = "16"
    database_name            = "other"
    log_retention_days       = 90
    permissions_boundary_arn = "arn:aws:iam::123456789012:policy/shop-boundary"
  }

  assert {
    condition     = aws_db_instance.main.multi_az && aws_db_instance.main.instance_class == "db.m7g.large" && aws_db_instance.main.allocated_storage == 100 && aws_db_instance.main.max_allocated_storage == 500 && aws_db_instance.main.backup_retention_period == 30
    error_message = "Every setting must arrive."
  }

  assert {
    condition     = aws_db_parameter_group.main.family == "postgres16" && aws_db_instance.main.db_name == "other"
    error_message = "Version and name must arrive."
  }

  assert {
    condition     = aws_iam_role.monitoring.permissions_boundary == "arn:aws:iam::123456789012:policy/shop-boundary" && alltrue([for group in aws_cloudwatch_log_group.exports : group.retention_in_days == 90])
    error_message = "Boundary and retention must arrive."
  }
}

# The way to a destroy, since RDS refuses one while it is protected.
run "unprotected_keeps_its_data" {
  command = plan

  module {
    source = "./modules/database"
  }

  variables {
    deletion_protection = false
    kms_key_arn         = "arn:aws:kms:us-east-1:123456789012:key/2"
  }

  assert {
    condition     = !aws_db_instance.main.deletion_protection && !aws_db_instance.main.skip_final_snapshot && !aws_db_instance.main.delete_automated_backups
    error_message = "Taking the protection off must not give up the data."
  }

  assert {
    condition     = aws_db_instance.main.final_snapshot_identifier != "shop-final-${substr(sha1("arn:aws:kms:us-east-1:123456789012:key/1"), 0, 8)}"
    error_message = "The next life of the environment needs a snapshot of its own."
  }
}

run "thrown_away" {
  command = plan

  module {
    source = "./modules/database"
  }

  variables {
    deletion_protection = false
    disposable          = true
  }

  assert {
    condition     = aws_db_instance.main.skip_final_snapshot && aws_db_instance.main.delete_automated_backups && aws_db_instance.main.final_snapshot_identifier == null
    error_message = "Disposable means without a trace."
  }
}

# Refused here: a name with capitals, an account that is none, a key that is no arn, a boundary that is no arn, a retention of nothing, no vpc, one subnet, a database name with a hyphen, an old version, a class that is none, little storage, no backups.
run "refuses_nonsense" {
  command = plan

  module {
    source = "./modules/database"
  }

  variables {
    name                     = "Shop"
    account_id               = "1"
    kms_key_arn              = "key"
    permissions_boundary_arn = "boundary"
    log_retention_days       = 0
    vpc_id                   = ""
    subnet_ids               = ["subnet-1"]
    database_name            = "my-db"
    engine_version           = "11"
    instance_class           = "t4g.micro"
    storage_gb               = 5
    backup_days              = 0
  }

  expect_failures = [var.name, var.account_id, var.kms_key_arn, var.permissions_boundary_arn, var.log_retention_days, var.vpc_id, var.subnet_ids, var.database_name, var.engine_version, var.instance_class, var.storage_gb, var.backup_days]
}

run "refuses_no_room_to_grow" {
  command = plan

  module {
    source = "./modules/database"
  }

  variables {
    max_storage_gb = 20
  }

  expect_failures = [var.max_storage_gb]
}
