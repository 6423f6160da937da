"""What a file is and what it says, from as few of its bytes as will do. Nothing is executed, everything is bounded."""
