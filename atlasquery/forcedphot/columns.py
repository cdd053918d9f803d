"""Columns of the forced photometry server: wire name, type, name, unit, meaning."""

import astropy.units as u

from atlasquery.tables import Column, Columns, Timestamp

__all__ = ["RESULT", "TASK"]

#: A row of a result file. Files of other years have fewer or additional columns.
RESULT = Columns(
    "a row of a result file",
    Column("MJD", to="time", unit=u.day, about="Start of the exposure, MJD.", required=True),
    Column(
        "m",
        to="reported_mag",
        unit=u.mag,
        about="AB magnitude of the absolute flux as sent: below 0 where the flux is.",
    ),
    Column(
        "dm",
        to="reported_mag_err",
        unit=u.mag,
        about="As sent: flux_err / |flux|, without the factor 1.0857 that mag_err has.",
    ),
    Column("uJy", to="reported_flux", unit=u.uJy, about="Flux as sent, a whole number."),
    Column("duJy", to="flux_err", unit=u.uJy, about="Error of the flux, a whole number."),
    Column("F", str, to="band", about="Filter of the exposure."),
    Column("err", int, to="error_code", about="Code of the fit; 0 is a good one."),
    Column("chi/N", to="reduced_chi2", about="Reduced chi squared of the fit of the profile."),
    Column("RA", to="ra", unit=u.deg, about="Right ascension of the measurement, ICRS."),
    Column("Dec", to="dec", unit=u.deg, about="Declination of the measurement, ICRS."),
    Column("x", unit=u.pix, about="Position on the detector."),
    Column("y", unit=u.pix, about="Position on the detector."),
    Column("maj", to="psf_major", unit=u.pix, about="Major axis of the profile."),
    Column("min", to="psf_minor", unit=u.pix, about="Minor axis of the profile."),
    Column(
        "phi",
        to="psf_angle",
        unit=u.deg,
        about="Orientation of the profile, counter-clockwise from the x axis of the detector.",
    ),
    Column("apfit", to="aperture_correction", unit=u.mag, about="Aperture correction."),
    Column("mag5sig", to="limiting_mag", unit=u.mag, about="5-sigma limit of the image, AB."),
    Column("Sky", to="sky_brightness", unit=u.mag / u.arcsec**2, about="Brightness of the sky."),
    Column("Obs", str, to="exposure", about="Telescope, night, number and filter of the exposure."),
)

#: A task of the server's queue.
TASK = Columns(
    "a task",
    Column("id", int, to="task_id", about="Number of the task.", required=True),
    Column("request_type", str, about="FP: photometry; IMGZIP: images; SSOSTACK: a stack."),
    Column("mpc_name", str, about="Name of a minor planet, in place of a position."),
    Column("ra", unit=u.deg, about="Right ascension, ICRS."),
    Column("dec", unit=u.deg, about="Declination, ICRS."),
    Column("mjd_min", unit=u.day, about="First MJD; masked for the whole history."),
    Column("mjd_max", unit=u.day, about="Last MJD; masked for no bound."),
    Column("radec_epoch_year", str, about="Epoch of the position, Julian year."),
    Column(
        "propermotion_ra",
        unit=u.mas / u.yr,
        about="Proper motion in right ascension with cos dec.",
    ),
    Column("propermotion_dec", unit=u.mas / u.yr, about="Proper motion in declination."),
    Column("use_reduced", bool, to="reduced", about="Measured on the image, not the difference."),
    Column("comment", str, about="Comment of the user; those of this package begin with a tag."),
    Column("finished", bool, about="Whether the server has finished it."),
    Column("attempt_count", int, to="attempts", about="Number of attempts."),
    Column("error_msg", str, to="message", about="The server's word on a failure."),
    Column("queuepos", int, to="queue_position", about="Tasks before it; masked once finished."),
    Column("timestamp", Timestamp, to="submitted", about="When it was submitted."),
    Column("starttimestamp", Timestamp, to="started", about="When it was last begun."),
    Column("finishtimestamp", Timestamp, to="ended", about="When it was finished."),
    Column("waittime", unit=u.s, to="wait_time", about="From its submission to its start."),
    Column("runtime", unit=u.s, to="run_time", about="From its start to its end."),
    Column("url", str, about="Address of the task."),
    Column("result_url", str, about="Address of the result file."),
    Column("previewimage_url", str, to="preview_url", about="Address of an image."),
    Column("pdfplot_url", str, to="plot_url", about="Address of a plot."),
    Column("result_imagezip_url", str, to="images_url", about="Address of the images."),
    Column("result_imagestack_url", str, to="stack_url", about="Address of the stack."),
    Column("parent_task_id", int, about="Task whose images these are."),
    Column("parent_task_url", str, about="Its address."),
    Column(
        "imagerequest_task_id", int, to="images_task_id", about="Task that produces its images."
    ),
    Column("imagerequest_url", str, to="images_task_url", about="Its address."),
    Column("imagerequest_finished", bool, to="images_finished", about="Whether that is done."),
    Column(
        "userqueuedtasks_on_submit",
        int,
        to="queued_before",
        about="Tasks of the account before it.",
    ),
    Column("user_id", int, about="Number of the account."),
    Column("username", str, about="Name of the account."),
    Column("send_email", bool, about="Whether a mail is sent at the end."),
    Column("callback_url", str, about="Address that is notified at the end."),
)
