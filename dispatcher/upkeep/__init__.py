"""What people start by hand, outside ticks: sweeping leftovers, and copying or checking stores."""
