# What comes from a resource of the same apply is taken.

run "values_that_are_not_known_yet" {
  command = plan

  module {
    source = "./tests/unknown"
  }
}
