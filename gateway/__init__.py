"""The program: settings, assembly, command line, log, clock. Everything comes together here and nowhere else."""

__version__ = "0.1.0"
