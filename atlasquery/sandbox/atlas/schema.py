"""The tables of the sandbox: their columns are the server's wire names, in wire order.

A column's type says how it behaves: ``FLOAT`` keeps six significant digits, as the single
precision columns of the real database do; ``BOOLEAN`` leaves as true or false; ``DATETIME``
is kept as the ISO 8601 text that leaves on the wire.
"""

from dataclasses import dataclass

__all__ = ["FORMAT", "INDEXES", "TABLES", "Table"]

# Stored in every database; a file of another format is refused.
FORMAT = "atlasquery-sandbox-2"


@dataclass(frozen=True)
class Table:
    """One table: its columns as ``{name: type}`` and its constraints.

    Attributes
    ----------
    columns : dict of str to str
        Type of each column.
    hidden : frozenset of str
        Columns that the server keeps to itself.
    constraint : str
        A table constraint of SQL, or nothing.
    """

    columns: dict[str, str]
    hidden: frozenset[str] = frozenset()
    constraint: str = ""

    def of_type(self, kind: str) -> list[str]:
        """Return the names of the columns of a type.

        Parameters
        ----------
        kind : str
            A type of the declaration, such as ``"FLOAT"``.

        Returns
        -------
        list of str
            Names, in the order of the table.
        """
        return [name for name, declared in self.columns.items() if declared.split()[0] == kind]

    @property
    def wire(self) -> list[str]:
        """The names of the columns that leave on the wire, in order."""
        return [name for name in self.columns if name not in self.hidden]


def _columns(declaration: str) -> dict[str, str]:
    """Read ``TYPE: name name ...`` lines; a line ``KEY: name`` is an integer primary key."""
    columns = {}
    for line in declaration.strip().splitlines():
        kind, _, names = line.strip().partition(": ")
        kind = "INTEGER PRIMARY KEY" if kind == "KEY" else kind
        columns.update(dict.fromkeys(names.split(), kind))
    return columns


def _table(declaration: str, *, hidden: str = "", constraint: str = "") -> Table:
    return Table(_columns(declaration), frozenset(hidden.split()), constraint)


_EXTERNAL = """
    KEY: id
    INTEGER: transient_object_id
    TEXT: external_designation type host_galaxy
    FLOAT: mag
    TEXT: discoverer matched_list other_info
    FLOAT: separation
    TEXT: comments url
    FLOAT: host_z object_z
    DATETIME: disc_date
    TEXT: disc_filter
"""

_SHERLOCK = """
    INTEGER: transient_object_id
    TEXT: catalogue_object_id
    INTEGER: catalogue_table_id
    FLOAT: separationarcsec northseparationarcsec eastseparationarcsec
    KEY: id
    FLOAT: z scale distance distance_modulus photoz photozerr
    TEXT: association_type
    DATETIME: datecreated
    FLOAT: physical_separation_kpc
    TEXT: catalogue_object_type catalogue_object_subtype
    INTEGER: association_rank
    TEXT: catalogue_table_name catalogue_view_name
    INTEGER: rank
    FLOAT: rankscore
    TEXT: search_name
    FLOAT: major_axis_arcsec direct_distance direct_distance_scale direct_distance_modulus
    REAL: radeg decdeg
    FLOAT: original_search_radius_arcsec
    INTEGER: catalogue_view_id
    FLOAT: u uerr b berr v verr r rerr i ierr j jerr h herr k kerr
    FLOAT: field_u field_uerr field_g field_gerr field_r field_rerr
    FLOAT: field_i field_ierr field_z field_zerr field_y field_yerr
    FLOAT: g gerr unkmag unkmagerr
    DATETIME: datelastmodified
    INTEGER: updated classificationreliability
    FLOAT: transientabsmag
    INTEGER: merged_rank
    FLOAT: w1 w1err z_distance z_distance_modulus
    FLOAT: pz_distance_scale pz_distance pz_distance_modulus best_distance
    TEXT: best_distance_flag best_distance_source direct_distance_cat pz_distance_cat
    FLOAT: sm_axis_arcsec
    TEXT: z_distance_cat
    FLOAT: z_distance_scale w2 w2err w3 w3err w4 w4err
"""

TABLES: dict[str, Table] = {
    "about": _table("TEXT: name value", constraint='PRIMARY KEY ("name")'),
    "groups": _table("""
        TEXT: name
        BOOLEAN: has_profile write_access
        REAL: token_life
    """),
    "users": _table("""
        KEY: id
        TEXT: username password group
        BOOLEAN: is_staff is_active
    """),
    "tokens": _table("""
        TEXT: key
        INTEGER: user_id
        REAL: created
    """),
    "objects": _table(
        """
        KEY: id
        INTEGER: followup_id
        DATETIME: followup_flag_date
        INTEGER: detection_id
        REAL: ra dec
        INTEGER: object_classification
        TEXT: sherlockClassification observation_status
        INTEGER: htm16id jtindex images_id
        DATETIME: date_inserted date_modified
        INTEGER: processing_flags
        TEXT: updated_by
        INTEGER: followup_priority
        TEXT: external_reference_id
        INTEGER: detection_list_id
        TEXT: survey_field
        INTEGER: followup_counter
        TEXT: atlas_designation other_designation current_trend local_comments
        INTEGER: ndetections
        FLOAT: vra rb_pix
    """
    ),
    "statistics": _table("""
        KEY: id
        REAL: ra_avg dec_avg earliest_mjd
        FLOAT: earliest_mag
        TEXT: earliest_filter
        REAL: latest_mjd
        FLOAT: latest_mag
        TEXT: latest_filter catalogue catalogue_object_id
        FLOAT: separation
        TEXT: external_crossmatches discovery_target
        FLOAT: rms
    """),
    "pointings": _table("""
        KEY: id
        REAL: ra dec
    """),
    "exposures": _table(
        """
        KEY: id
        REAL: mjd
        FLOAT: exptime
        TEXT: filter
        FLOAT: zp
        TEXT: expname filename input reference pointing
        FLOAT: mag5sig
        DATETIME: date_inserted
        FLOAT: apfit
        INTEGER: pointing_id
    """,
        hidden="apfit pointing_id",
    ),
    "detections": _table("""
        INTEGER: object_id exposure_id
        FLOAT: mag magerr
        REAL: ra dec
        FLOAT: x y major minor phi
        INTEGER: det
        FLOAT: chin
        INTEGER: pvr ptr pmv pkn pno pbn pcr pxt psc dup
        FLOAT: wpflx dflx
        DATETIME: date_inserted
    """),
    "forced": _table("""
        KEY: id
        INTEGER: atlas_object_id
        TEXT: expname
        REAL: mjd_obs ra dec
        TEXT: filter
        FLOAT: mag dm snr zp x y peakval skyval peakfit dpeak skyfit flux dflux chin
        FLOAT: major minor snrdet snrlimit apfit
        DATETIME: date_inserted
        BOOLEAN: limiting_mag redo_photometry
    """),
    "sherlock_classifications": _table("""
        KEY: transient_object_id
        TEXT: classification annotation summary
        INTEGER: matchverified
        TEXT: developmentcomment
        DATETIME: datelastmodified datecreated
        TEXT: updated
    """),
    "sherlock_crossmatches": _table(_SHERLOCK),
    "external_crossmatches": _table(_EXTERNAL),
    "vra_scores": _table("""
        KEY: id
        INTEGER: transient_object_id
        FLOAT: preal pgal pfast rank rank_alt1
        INTEGER: is_gal_cand
        DATETIME: timestamp
        TEXT: apiusername username
        BOOLEAN: debug
    """),
    "vra_todo": _table("""
        KEY: transient_object_id
        DATETIME: timestamp
    """),
    "vra_rank": _table("""
        KEY: transient_object_id
        FLOAT: rank rank_alt1
        INTEGER: is_gal_cand
        DATETIME: timestamp
    """),
    "object_groups": _table(
        """
        KEY: id
        INTEGER: transient_object_id object_group_id
    """,
        constraint='UNIQUE ("transient_object_id", "object_group_id")',
    ),
    "group_definitions": _table("""
        KEY: id
        TEXT: name
    """),
}

INDEXES: dict[str, tuple[str, ...]] = {
    "objects": ("dec", "detection_list_id"),
    "exposures": ("pointing_id", "expname"),
    "detections": ("object_id",),
    "forced": ("atlas_object_id",),
    "sherlock_crossmatches": ("transient_object_id",),
    "external_crossmatches": ("transient_object_id", "external_designation"),
    "vra_scores": ("transient_object_id",),
    "object_groups": ("object_group_id",),
    "tokens": ("key", "user_id"),
}
