"""Configuration items that every service has, separate for each."""

from typing import Any

from astropy import config as _config

from atlasquery.service.inputs import suggest

__all__ = ["ServiceConf"]


class _Item(_config.ConfigItem):
    """An item whose value is checked after it was set, not each time it is read."""

    _checked: tuple[object, object] = (None, None)

    def __call__(self) -> object:
        """Return the value of this item."""
        section = _config.get_config(self.module, rootname=self.rootname)
        # Setting the item, anywhere, stores another object.
        stored = dict.get(section, self.name)
        checked, value = self._checked
        if stored is None or stored is not checked:
            value = super().__call__()
            # A caller could change a list.
            if isinstance(value, str | int | float):
                self._checked = stored, value
        return value

    @classmethod
    def of(cls, item: _config.ConfigItem, name: str, module: str) -> "_Item":
        """Return a copy of an item for another module."""
        found = cls(
            item.defaultvalue, item.description, item.cfgtype, module=module, aliases=item.aliases
        )
        found.name = name
        return found


class ServiceConf(_config.ConfigNamespace):
    """Base of a service's configuration: how to communicate with its server.

    Each subclass gets separate items, so that setting ``conf.timeout`` of one
    service does not change that of another.
    """

    timeout = _config.ConfigItem(
        60.0, "Seconds to wait for a connection, and for the next bytes of an answer."
    )
    deadline = _config.ConfigItem(
        900.0, "Seconds after which one exchange is given up even if bytes still arrive."
    )
    retries = _config.ConfigItem(
        3, "How often a read is tried again after a broken connection or a status of 500 or more."
    )
    backoff = _config.ConfigItem(
        0.5, "Seconds to wait before the first repetition of a read; each next wait is doubled."
    )
    max_wait = _config.ConfigItem(
        60.0, "Longest wait in seconds that a server may request; QuotaError is raised beyond."
    )
    hourly_limit = _config.ConfigItem(
        0, "Requests an hour that the server allows an account; 0 if only its responses limit them."
    )
    limit_loopback = _config.ConfigItem(
        False, "Whether hourly_limit applies to a server on this machine too."
    )
    on_quota = _config.ConfigItem(
        ["raise", "wait"], "What to do if no request is left in the hour."
    )
    max_answer_bytes = _config.ConfigItem(
        200_000_000,
        "Largest decompressed response in bytes; a larger one raises an error.",
        cfgtype="integer",
    )
    concurrency = _config.ConfigItem(
        2, "Number of requests of one call that run at the same time.", cfgtype="integer"
    )
    cache_seconds = _config.ConfigItem(
        300.0,
        "Seconds for which a cached response is used, unless its kind has a separate setting.",
    )
    allow_http = _config.ConfigItem(
        False,
        "Whether credentials may be sent over http without encryption to another machine.",
    )
    config_file = _config.ConfigItem(
        "", "YAML file with token, or username and password, readable by its owner only."
    )

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse unknown items."""
        if not hasattr(type(self), name):
            items = sorted(self)
            raise AttributeError(
                f"{type(self).__module__}.conf has no item {name!r}{suggest(name, items)}"
            )
        super().__setattr__(name, value)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name, item in {**vars(ServiceConf), **vars(cls)}.items():
            if isinstance(item, _config.ConfigItem):
                module = item.module if name in vars(cls) else cls.__module__
                setattr(cls, name, _Item.of(item, name, module))
