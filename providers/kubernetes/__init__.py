"""Kubernetes: each attempt of a run is one Job, under the dispatcher's own name.

    place            the cluster and the namespace
    clusters         the cluster that an entry of the settings, or the host, names
    endpoints        how one cluster is reached
    kubeconfig       pure but for reading files: a kubeconfig becomes a cluster
    identities       the token, or the certificate, that a call carries
    api              one API server: its calls and answers; the only module that imports urllib3
    labels           pure: labels within Kubernetes' rules
    manifest         pure: a rendered configuration becomes a Job
    rules            pure: what a Job must not contain, because an attempt would run twice or its end would be lost
    checking         pure: the faults of a configuration, and its job's place
    outcomes         pure: the answer to a creation becomes an outcome
    pods, states     pure: a Job and its pods become an observation
    lookup           reads of Jobs and pods
    leftovers        the deletion of ended Jobs
    provider         the protocol

What Kubernetes remembers, and the consequences:

* **A Job's name is taken while the Job exists**, ended or not: a second creation is answered with 409 AlreadyExists, and reads
  without a resource version are consistent. So creations are safe to repeat, and there is no look-up lag.
* **A Job is not "once" by default.** `backoffLimit` is 6. Here it is 0, with `restartPolicy: Never`, one completion, and a
  replacement only for a pod that has ended (`podReplacementPolicy: Failed`); a manifest that contradicts this is refused.
* **A deleted Job leaves no trace**, so a cancel does not delete it. A cancel sets a mark and a deadline that has passed: the
  Job controller deletes the pods with their own grace period, and the Job stays as `Failed`. It is deleted after its end is
  recorded. A suspended Job has no pods and no running deadline, and is deleted at once.
* **`ttlSecondsAfterFinished` frees the name and loses the end.** A value below an hour is raised to an hour.
* **A Job's status never says that its pod cannot start.** The pods show it, and the start deadline ends the Job.
* **By default the API deletes a Job and leaves its pods running**, so each deletion names its propagation policy.
"""

from providers.kubernetes.provider import KubernetesProvider

__all__ = ["KubernetesProvider"]
