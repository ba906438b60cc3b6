output "dispatcher" {
  description = "What aws-dispatcher takes in `pools`: where the tasks run, and the rights that are needed there."
  value       = { cluster_arn = local.cluster_arn, policy = var.dispatcher == null ? data.aws_iam_policy_document.dispatcher.minified_json : data.aws_iam_policy_document.become.minified_json }
}

output "job_variables" {
  description = "Defaults for the variables of the pool's base job template, as ecs:push has them."
  value = merge(
    {
      cluster                   = one(concat(aws_ecs_cluster.this[*].arn, var.create_cluster ? [] : [var.cluster_arn]))
      family                    = var.name
      execution_role_arn        = aws_iam_role.execution.arn
      task_role_arn             = aws_iam_role.task.arn
      configure_cloudwatch_logs = true
      cloudwatch_logs_options = {
        awslogs-group         = aws_cloudwatch_log_group.this.name
        awslogs-region        = local.region
        awslogs-create-group  = "false"
        awslogs-stream-prefix = var.name
      }
    },
    {
      for name, value in { subnets = var.subnets, security_groups = var.security_groups } : name => value if length(value) > 0
    },
    { for name, value in { assign_public_ip = var.assign_public_ip } : name => value if length(var.subnets) > 0 },
  )
}

output "cluster_arn" {
  description = "Where the tasks run."
  value       = one(concat(aws_ecs_cluster.this[*].arn, var.create_cluster ? [] : [var.cluster_arn]))
}

output "execution_role_arn" {
  description = "The role that pulls images, writes logs and reads secrets."
  value       = aws_iam_role.execution.arn
}

output "task_role_arn" {
  description = "The role that the jobs run with."
  value       = aws_iam_role.task.arn
}

output "credentials" {
  description = "For a dispatcher in another account: an entry of DISPATCHER_CREDENTIALS, which the job variable `aws_credentials` names; null otherwise."
  value       = var.dispatcher == null ? null : { role_arn = local.dispatcher_role_arn, region = local.region }
}
