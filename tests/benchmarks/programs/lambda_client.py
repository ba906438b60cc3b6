"""What a cold function does before its first call: the handler's module, its settings, and a client of ECS."""

from dispatcher.functions import aws_lambda
from providers.ecs.place import Place

provider = aws_lambda._wiring().dispatch.providers("ecs:push")
provider._clients.client("ecs", provider._clients.located(Place()))
