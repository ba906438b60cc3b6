"""What the function in the unpacked zip does before its first call: handler, settings, and clients of DynamoDB and ECS."""

from dispatcher.functions import aws_lambda
from providers.ecs.place import Place

wiring = aws_lambda._wiring()
assert wiring.store._table.client
provider = wiring.dispatch.providers("ecs:push")
provider._clients.client("ecs", provider._clients.located(Place()))
