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
    256  = [512, 1024, 2048]
    512  = range(1024, 4097, 1024)
    1024 = range(2048, 8193, 1024)
    2048 = range(4096, 16385, 1024)
    4096 = range(8192, 30721, 1024)
  }
}
