# The desired state is checked before AWS is asked for anything: no provider is needed here.

variables {
  application   = "shop"
  environment   = "staging"
  image         = { repository = "123456789012.dkr.ecr.us-east-1.amazonaws.com/shop", digest = "sha256:0000000000000000000000000000000000000000000000000000000000000001" }
  replica_count = 2
  database      = { engine = "postgresql" }
  aws_keys      = ["account_id"]
  aws           = { account_id = "123456789012" }
}

run "defaults_are_the_careful_choice" {
  command = plan

  module {
    source = "./modules/settings"
  }

  assert {
    condition     = output.name == "shop" && output.postgresql
    error_message = "Without a suffix the plain design names must come out."
  }

  assert {
    condition     = output.aws.deletion_protection && !output.aws.disposable && output.aws.network.flow_logs && output.aws.load_balancer.access_logs && output.aws.alarms.enabled
    error_message = "A setting that is not given must be the careful one."
  }

  assert {
    condition     = output.image == "123456789012.dkr.ecr.us-east-1.amazonaws.com/shop@sha256:0000000000000000000000000000000000000000000000000000000000000001"
    error_message = "The image must be named by digest."
  }

  assert {
    condition     = output.tags["Application"] == "shop" && output.tags["Environment"] == "staging" && output.tags["ManagedBy"] == "terraform"
    error_message = "Every resource must say whose it is."
  }
}

run "a_suffix_is_appended" {
  command = plan

  module {
    source = "./modules/settings"
  }

  variables {
    aws = { account_id = "123456789012", name_suffix = "staging", tags = { Team = "shop", Environment = "forged" } }
  }

  assert {
    condition     = output.name == "shop-staging"
    error_message = "The suffix must follow a hyphen."
  }

  assert {
    condition     = output.tags["Team"] == "shop" && output.tags["Environment"] == "staging"
    error_message = "Own tags are added, and ours win."
  }
}

run "one_replica_on_sqlite" {
  command = plan

  module {
    source = "./modules/settings"
  }

  variables {
    replica_count = 1
    database      = { engine = "sqlite" }
  }

  assert {
    condition     = !output.postgresql
    error_message = "SQLite needs no database server."
  }
}

run "three_replicas_without_a_database" {
  command = plan

  module {
    source = "./modules/settings"
  }

  variables {
    replica_count = 3
    database      = { engine = "none" }
  }

  assert {
    condition     = !output.postgresql
    error_message = "No database, no RDS."
  }
}

run "refuses_two_replicas_on_sqlite" {
  command = plan

  module {
    source = "./modules/settings"
  }

  variables {
    database = { engine = "sqlite" }
  }

  expect_failures = [var.replica_count]
}

run "refuses_no_replica" {
  command = plan

  module {
    source = "./modules/settings"
  }

  variables {
    replica_count = 0
  }

  expect_failures = [var.replica_count]
}

run "refuses_half_a_replica" {
  command = plan

  module {
    source = "./modules/settings"
  }

  variables {
    replica_count = 1.5
  }

  expect_failures = [var.replica_count]
}

run "refuses_another_database" {
  command = plan

  module {
    source = "./modules/settings"
  }

  variables {
    database = { engine = "mysql" }
  }

  expect_failures = [var.database]
}

run "refuses_an_environment_name_with_capitals" {
  command = plan

  module {
    source = "./modules/settings"
  }

  variables {
    environment = "Staging"
  }

  expect_failures = [var.environment]
}

run "refuses_a_name_that_load_balancers_may_not_begin_with" {
  command = plan

  module {
    source = "./modules/settings"
  }

  variables {
    application = "internal-shop"
  }

  expect_failures = [var.application]
}

run "refuses_a_long_application_name" {
  command = plan

  module {
    source = "./modules/settings"
  }

  variables {
    application = "an-application-of-too-many-letters"
  }

  expect_failures = [var.application]
}

run "refuses_an_image_that_was_never_released" {
  command = plan

  module {
    source = "./modules/settings"
  }

  variables {
    image = { repository = "123456789012.dkr.ecr.us-east-1.amazonaws.com/shop" }
  }

  expect_failures = [var.image]
}

run "refuses_a_short_digest" {
  command = plan

  module {
    source = "./modules/settings"
  }

  variables {
    image = { repository = "123456789012.dkr.ecr.us-east-1.amazonaws.com/shop", digest = "sha256:1234" }
  }

  expect_failures = [var.image]
}

run "refuses_a_tag" {
  command = plan

  module {
    source = "./modules/settings"
  }

  variables {
    image = { repository = "123456789012.dkr.ecr.us-east-1.amazonaws.com/shop:latest", digest = "sha256:0000000000000000000000000000000000000000000000000000000000000001" }
  }

  expect_failures = [var.image]
}

run "refuses_a_misspelt_setting" {
  command = plan

  module {
    source = "./modules/settings"
  }

  variables {
    aws_keys = ["account_id", "database.multi_zaz"]
  }

  expect_failures = [var.aws_keys]
}

run "refuses_an_account_that_is_none" {
  command = plan

  module {
    source = "./modules/settings"
  }

  variables {
    aws = { account_id = "12345" }
  }

  expect_failures = [var.aws]
}

run "refuses_a_region_that_is_none" {
  command = plan

  module {
    source = "./modules/settings"
  }

  variables {
    aws = { account_id = "123456789012", region = "virginia" }
  }

  expect_failures = [var.aws]
}

run "refuses_a_long_suffix" {
  command = plan

  module {
    source = "./modules/settings"
  }

  variables {
    aws = { account_id = "123456789012", name_suffix = "preproduction" }
  }

  expect_failures = [var.aws]
}

run "refuses_a_retention_that_cloudwatch_does_not_offer" {
  command = plan

  module {
    source = "./modules/settings"
  }

  variables {
    aws = { account_id = "123456789012", log_retention_days = 31 }
  }

  expect_failures = [var.aws]
}

run "refuses_memory_that_fargate_does_not_offer" {
  command = plan

  module {
    source = "./modules/settings"
  }

  variables {
    aws = { account_id = "123456789012", service = { cpu = 256, memory = 4096 } }
  }

  expect_failures = [var.aws]
}

run "refuses_a_maximum_below_the_minimum" {
  command = plan

  module {
    source = "./modules/settings"
  }

  variables {
    aws = { account_id = "123456789012", service = { max_replicas = 1 } }
  }

  expect_failures = [var.aws]
}

# 4 replicas are staging's, 10 production's: environments/*.yaml.
run "pools_fit_the_database" {
  command = plan

  module {
    source = "./modules/settings"
  }

  variables {
    aws = { account_id = "123456789012", service = { max_replicas = 10 }, database = { instance_class = "db.t4g.small" } }
  }

  assert {
    condition     = 10 * 2 * 2 * output.database_pool < output.max_connections && output.max_connections == 170
    error_message = "Production's pools must fit in a rollout."
  }
}

run "refuses_more_connections_than_the_database_offers" {
  command = plan

  module {
    source = "./modules/settings"
  }

  variables {
    aws = { account_id = "123456789012", service = { max_replicas = 7 }, database = { instance_class = "db.t4g.micro" } }
  }

  expect_failures = [output.database_pool]
}

run "refuses_auto_scaling_on_sqlite" {
  command = plan

  module {
    source = "./modules/settings"
  }

  variables {
    replica_count = 1
    database      = { engine = "sqlite" }
    aws           = { account_id = "123456789012", service = { max_replicas = 3 } }
  }

  expect_failures = [var.aws]
}

run "refuses_a_hosted_zone_without_a_domain" {
  command = plan

  module {
    source = "./modules/settings"
  }

  variables {
    aws = { account_id = "123456789012", load_balancer = { hosted_zone_id = "Z0123456789ABCDEFGHIJ" } }
  }

  expect_failures = [var.aws]
}

run "refuses_a_domain_that_nothing_proves" {
  command = plan

  module {
    source = "./modules/settings"
  }

  variables {
    aws = { account_id = "123456789012", load_balancer = { domain = "shop.example.com" } }
  }

  expect_failures = [var.aws]
}

run "takes_a_domain_with_its_certificate" {
  command = plan

  module {
    source = "./modules/settings"
  }

  variables {
    aws = { account_id = "123456789012", load_balancer = { domain = "shop.example.com", certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/1" } }
  }

  assert {
    condition     = output.aws.load_balancer.certificate_arn == "arn:aws:acm:us-east-1:123456789012:certificate/1"
    error_message = "The certificate must arrive."
  }
}

run "refuses_a_certificate_of_another_region" {
  command = plan

  module {
    source = "./modules/settings"
  }

  variables {
    aws = { account_id = "123456789012", load_balancer = { domain = "shop.example.com", certificate_arn = "arn:aws:acm:eu-west-1:123456789012:certificate/1" } }
  }

  expect_failures = [var.aws]
}

run "refuses_a_negative_budget" {
  command = plan

  module {
    source = "./modules/settings"
  }

  variables {
    aws = { account_id = "123456789012", budget_usd = -1 }
  }

  expect_failures = [var.aws]
}

run "refuses_a_name_with_two_hyphens" {
  command = plan

  module {
    source = "./modules/settings"
  }

  variables {
    application = "my--shop"
    aws         = { account_id = "123456789012", name_suffix = "", region = "us-east-1" }
  }

  expect_failures = [output.name]
}

run "refuses_a_name_that_ends_with_a_hyphen" {
  command = plan

  module {
    source = "./modules/settings"
  }

  variables {
    application = "my-shop-"
    aws         = { account_id = "123456789012", name_suffix = "", region = "us-east-1" }
  }

  expect_failures = [output.name]
}

run "refuses_a_name_too_long_for_a_target_group" {
  command = plan

  module {
    source = "./modules/settings"
  }

  variables {
    application = "eighteen-character"
    aws         = { account_id = "123456789012", name_suffix = "eightyes", region = "us-east-1" }
  }

  expect_failures = [output.name]
}

run "refuses_a_name_too_long_for_the_access_logs" {
  command = plan

  module {
    source = "./modules/settings"
  }

  variables {
    application = "eighteen-character"
    aws         = { account_id = "123456789012", name_suffix = "stage", region = "ap-southeast-1" }
  }

  expect_failures = [output.name]
}

run "a_long_name_in_a_long_region" {
  command = plan

  module {
    source = "./modules/settings"
  }

  variables {
    application = "eighteen-character"
    aws         = { account_id = "123456789012", name_suffix = "stage", region = "ap-southeast-1", load_balancer = { access_logs = false } }
  }

  assert {
    condition     = output.name == "eighteen-character-stage"
    error_message = "Without access logs there is no bucket to name."
  }
}
