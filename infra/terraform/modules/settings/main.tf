# Turns one environments/<name>.yaml into checked, typed values with defaults.
# It creates nothing: a wrong desired state is refused before AWS is asked for anything.

locals {
  # The one naming rule: <application>[-<suffix>]. Without a suffix an account holds one environment.
  name = join("-", compact([var.application, var.aws.name_suffix]))

  # "network.cidr" for a nested setting, "region" for a plain one. tags are free-form.
  known_keys = flatten([
    for key, value in var.aws : can(keys(value)) && key != "tags" ?
    [for nested in keys(value) : "${key}.${nested}"] : [key]
  ])

  # Fargate offers memory (MiB) by CPU units; anything else is refused by AWS only at apply.
  fargate_memory = {
    256   = [512, 1024, 2048]
    512   = range(1024, 4097, 1024)
    1024  = range(2048, 8193, 1024)
    2048  = range(4096, 16385, 1024)
    4096  = range(8192, 30721, 1024)
    8192  = range(16384, 61441, 4096)
    16384 = range(32768, 122881, 8192)
  }

  # RDS computes it as memory in bytes / 9531392, of memory without what the system has itself: a small of 2 GiB was seen to
  # offer 181, not 225. The same share is taken of the others; sizes that are not here have room to spare.
  max_connections = lookup({ micro = 80, small = 170, medium = 340, large = 680 }, split(".", var.aws.database.instance_class)[2], 800)

  # Each of a replica's two workers (Dockerfile) has a pool (DATABASE_POOL), and a rollout runs the replicas twice.
  # RDS keeps some connections for itself and its administrators.
  database_pool           = 4
  replicas                = coalesce(var.aws.service.max_replicas, var.replica_count)
  connections_per_replica = 2 * 2 * local.database_pool
  most_replicas           = floor((local.max_connections - 10) / local.connections_per_replica)
}
