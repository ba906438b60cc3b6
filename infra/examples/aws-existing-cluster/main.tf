# A pool in an ECS cluster that is there already and that others use, too. The dispatcher may stop no task but its own there.

# Where everything is made.
variable "region" { default = "us-east-1" }

# The zip: dispatcher package --target aws-lambda --arch arm64 --python 3.13 --extras aws --output function.zip
variable "package" { default = "function.zip" }

variable "cluster" {
  description = "Name of the cluster, in the same account and region."
  type        = string
}

variable "subnets" {
  description = "Ids of the subnets of the tasks; without any, the default VPC."
  type        = list(string)
  default     = []
}

variable "bucket" {
  description = "Name of a bucket of S3 that the jobs write their results to."
  type        = string
}

# Whether the table refuses to be destroyed.
variable "deletion_protection" { default = true }

provider "aws" {
  region = var.region
}

data "aws_ecs_cluster" "this" {
  cluster_name = var.cluster
}

data "aws_partition" "current" {}

data "aws_iam_policy_document" "results" {
  statement {
    sid       = "Results"
    actions   = ["s3:PutObject"]
    resources = ["arn:${data.aws_partition.current.partition}:s3:::${var.bucket}/*"]
  }
}

module "pool" {
  source = "../../modules/ecs-pool"

  name           = "push-dispatcher-batch"
  create_cluster = false
  cluster_arn    = data.aws_ecs_cluster.this.arn
  subnets        = var.subnets
  task_policies  = { task = data.aws_iam_policy_document.results.json }
}

module "dispatcher" {
  source = "../../modules/aws-dispatcher"

  package             = var.package
  deletion_protection = var.deletion_protection
  pools               = { batch = module.pool.dispatcher }
}

output "store" { value = module.dispatcher.store }
output "job_variables" { value = module.pool.job_variables }
