"""How a version of a certificate comes into use on a host and goes back; a module for each kind of deployment."""
