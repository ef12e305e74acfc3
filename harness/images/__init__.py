"""Container images: built from Dockerfiles where no engine and no registry is, and the same way where they are."""
