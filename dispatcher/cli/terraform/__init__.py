"""What `work-pool provision-infrastructure` writes.

roots/      a root module for each kind of pool, valid as it is; a pool called `work-pool` is renamed
modules/    our modules: in an installed package beside this file, in a clone at `infra/modules`
"""
