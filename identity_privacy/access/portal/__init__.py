"""The portal's door, what one signs in with, and the pages that stand open to everybody."""
