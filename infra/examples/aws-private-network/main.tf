# Function and tasks in subnets without a way to the internet: what they call, they reach through endpoints of the VPC.
# Each interface endpoint is billed by the hour and by the subnet's zone; leave out those that the VPC has already.

# Where everything is made.
variable "region" { default = "us-east-1" }

# The zip: dispatcher package --target aws-lambda --arch arm64 --python 3.13 --extras aws --output function.zip
variable "package" { default = "function.zip" }

variable "vpc_id" {
  description = "Id of the VPC. It must resolve private DNS names."
  type        = string
}

variable "subnets" {
  description = "Ids of its private subnets, each in a zone of its own, for function, tasks and endpoints."
  type        = list(string)
}

variable "route_tables" {
  description = "Ids of the route tables of these subnets: DynamoDB and S3 are reached through them."
  type        = list(string)
}

# Whether the table refuses to be destroyed.
variable "deletion_protection" { default = true }

provider "aws" {
  region = var.region
}

locals {
  # Fargate pulls images from ECR, which keeps layers in S3, and writes logs; the function starts tasks, and with fan-out itself.
  interfaces = ["ecr.api", "ecr.dkr", "ecs", "lambda", "logs"]
  gateways   = ["dynamodb", "s3"]
}

resource "aws_security_group" "inside" {
  name        = "push-dispatcher-inside"
  description = "The function and its tasks: HTTPS, and nobody reaches them"
  vpc_id      = var.vpc_id

  egress {
    description = "The endpoints, and through the gateways DynamoDB and S3"
    from_port   = 443
    to_port     = 443
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "aws_security_group" "endpoints" {
  name        = "push-dispatcher-endpoints"
  description = "The endpoints: HTTPS from the function and its tasks"
  vpc_id      = var.vpc_id

  ingress {
    description     = "The function and its tasks"
    from_port       = 443
    to_port         = 443
    protocol        = "tcp"
    security_groups = [aws_security_group.inside.id]
  }
}

resource "aws_vpc_endpoint" "interfaces" {
  for_each = toset(local.interfaces)

  vpc_id              = var.vpc_id
  service_name        = "com.amazonaws.${var.region}.${each.key}"
  vpc_endpoint_type   = "Interface"
  subnet_ids          = var.subnets
  security_group_ids  = [aws_security_group.endpoints.id]
  private_dns_enabled = true
}

resource "aws_vpc_endpoint" "gateways" {
  for_each = toset(local.gateways)

  vpc_id            = var.vpc_id
  service_name      = "com.amazonaws.${var.region}.${each.key}"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = var.route_tables
}

module "pool" {
  source = "../../modules/ecs-pool"

  name            = "push-dispatcher-batch"
  subnets         = var.subnets
  security_groups = [aws_security_group.inside.id]
}

module "dispatcher" {
  source = "../../modules/aws-dispatcher"

  package             = var.package
  deletion_protection = var.deletion_protection
  pools               = { batch = module.pool.dispatcher }

  vpc = {
    subnet_ids         = var.subnets
    security_group_ids = [aws_security_group.inside.id]
  }
}

output "store" { value = module.dispatcher.store }
output "job_variables" { value = module.pool.job_variables }
