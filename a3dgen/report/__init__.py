"""The report page: contact sheets, panels of each photo, errors in millimetres."""
