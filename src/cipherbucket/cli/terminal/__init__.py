"""What people see: progress, tables, sizes, help."""
