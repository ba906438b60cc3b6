"""The files that `work-pool provision-infrastructure` writes.

roots/      a root module for each kind of pool, valid as it is; a pool called `work-pool` is renamed
modules/    our modules: beside this file in an installed package, at `infra/modules` in a clone
"""
